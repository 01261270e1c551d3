//! Elections and the mesh, as plays (`plays/*/*.txt`, see `testing::play`), and elections over
//! a bad network.

mod election;
mod mesh;
mod random;
mod words;
