//! Elections and the mesh, as scripts (`scripts/*/*.txt`, see `testing::script`), and elections over
//! a bad network.

mod election;
mod mesh;
mod random;
mod words;
