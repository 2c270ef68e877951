//! Serves a [`rawrz_vfs::Tree`] through FUSE on Linux and macOS.
