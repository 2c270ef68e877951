//! Serves a [`rawrz_vfs::Tree`] through WinFsp on Windows.
