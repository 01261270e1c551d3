//! Elections and the mesh, as plays (`plays/*/*.txt`, see `zab::tests::play`), and elections over
//! a bad network.

mod election;
mod mesh;
mod random;
mod words;
