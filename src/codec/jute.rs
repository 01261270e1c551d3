//! Primitive encodings (client-protocol.md section 1).
