//! Where a mountpoint does not suit Ollama, and what to do about it.

use std::path::Path;

use super::Readers;

/// What Go's `filepath.Glob` reads as a pattern: Ollama finds models by a pattern that begins with the store's path.
const PATTERN: [char; 4] = ['*', '?', '[', '\\'];

/// What is wrong with a mountpoint as a store.
pub fn warnings(mountpoint: &Path, readers: Readers) -> Vec<String> {
    let shown = mountpoint.display();
    let mut warnings = Vec::new();
    // On Windows the backslash is no pattern but the separator.
    let is_pattern = |c: char| PATTERN.contains(&c) && !(cfg!(windows) && c == '\\');
    if let Some(c) = mountpoint.to_string_lossy().chars().find(|&c| is_pattern(c)) {
        warnings.push(format!(
            "Ollama will not find the model: it takes the {c:?} in {shown} for a pattern; mount on another path"
        ));
    }
    warnings.extend(service_warning(mountpoint, readers));
    warnings
}

#[cfg(not(unix))]
fn service_warning(_: &Path, _: Readers) -> Option<String> {
    None
}

/// Where Ollama is installed as a service, whether its user can read the mount.
#[cfg(unix)]
fn service_warning(mountpoint: &Path, readers: Readers) -> Option<String> {
    use std::fs;

    let users = fs::read_to_string("/etc/passwd").ok()?;
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    let user = unix::User::find("ollama", &users, &groups)?;
    if user.uid == rustix::process::geteuid().as_raw() {
        return None;
    }
    if readers == Readers::Own {
        return Some("the service user `ollama` cannot read the mount; --allow-other lets it in".to_owned());
    }
    let closed =
        mountpoint.ancestors().skip(1).find(|dir| fs::metadata(dir).is_ok_and(|m| !user.enters(&m)))?;
    Some(format!(
        "the service user `ollama` cannot enter {}; `chmod o+x` it, or mount elsewhere, as on /mnt/NAME",
        closed.display()
    ))
}

#[cfg(unix)]
mod unix {
    use std::fs::Metadata;
    use std::os::unix::fs::MetadataExt;

    /// A user of the system.
    #[derive(Debug, Eq, PartialEq)]
    pub struct User {
        pub uid: u32,
        gids: Vec<u32>,
    }

    impl User {
        /// Looks a user up in the texts of /etc/passwd and /etc/group.
        pub fn find(name: &str, users: &str, groups: &str) -> Option<Self> {
            let fields = |line: &'_ str| line.split(':').map(str::to_owned).collect::<Vec<_>>();
            let user = users.lines().map(fields).find(|f| f.len() > 3 && f[0] == name)?;
            let groups =
                groups.lines().map(fields).filter(|f| f.len() > 3 && f[3].split(',').any(|m| m == name));
            let gids =
                groups.map(|f| f[2].clone()).chain([user[3].clone()]).filter_map(|gid| gid.parse().ok());
            Some(Self { uid: user[2].parse().ok()?, gids: gids.collect() })
        }

        /// Whether the user may enter a directory; access lists aside.
        pub fn enters(&self, dir: &Metadata) -> bool {
            let bit = match () {
                () if dir.uid() == self.uid => 0o100,
                () if self.gids.contains(&dir.gid()) => 0o010,
                () => 0o001,
            };
            self.uid == 0 || dir.mode() & bit != 0
        }
    }

    #[cfg(test)]
    mod tests {
        use std::fs;
        use std::os::unix::fs::PermissionsExt;

        use super::*;

        #[test]
        fn a_user_has_its_groups() {
            let users = "root:x:0:0:root:/root:/bin/sh\nollama:x:998:997::/usr/share/ollama:/bin/false\n";
            let groups = "root:x:0:\nvideo:x:44:me,ollama\nollama:x:997:\nrender:x:104:ollamas\n";
            assert_eq!(User::find("ollama", users, groups), Some(User { uid: 998, gids: vec![44, 997] }));
            assert_eq!(User::find("olla", users, groups), None);
        }

        #[test]
        fn a_directory_is_entered_by_its_bits() {
            let dir = tempfile::tempdir().unwrap();
            let owner = fs::metadata(dir.path()).unwrap();
            let stranger = User { uid: owner.uid() + 1, gids: vec![owner.gid() + 1] };
            let member = User { uid: owner.uid() + 1, gids: vec![owner.gid()] };
            for (mode, strangers, members) in
                [(0o700, false, false), (0o710, false, true), (0o701, true, false)]
            {
                fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
                let dir = fs::metadata(dir.path()).unwrap();
                assert_eq!((stranger.enters(&dir), member.enters(&dir)), (strangers, members), "{mode:o}");
            }
        }
    }
}

/// Tells of what an Ollama server makes in a bare mountpoint when the mount goes away under it; the mount hides it.
pub fn leftovers(mountpoint: &Path) -> Option<String> {
    let is_there = |name: &str| mountpoint.join(name).is_dir();
    (is_there("manifests") || is_there("blobs")).then(|| {
        "hides empty manifests/ or blobs/ that an Ollama server made here while nothing was mounted; where only \
         root may write to the mountpoint it cannot"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_told() {
        for (path, is_told) in
            [("/mnt/a b", false), ("/mnt/a[1]", true), ("/mnt/a*", true), ("/mnt/?/b", true)]
        {
            let told = warnings(Path::new(path), Readers::Own).iter().any(|w| w.contains("pattern"));
            assert_eq!(told, is_told, "{path}");
        }
    }
}
