//! (front page follows with the module)
