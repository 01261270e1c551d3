//! Elections and the mesh, as plays (`plays/*/*.txt`, see `zab::tests::play`), and elections over
//! a bad network.

mod mesh;
mod words;
