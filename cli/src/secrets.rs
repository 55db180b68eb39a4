//! Secrets in files: the operator key, the secret that ids depend on, passwords. `tidings secrets`.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, bail, ensure};
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};
use tidings_core::{
    handler::ids::Ids,
    keys::{
        KeyStore,
        seal::{OperatorKey, OperatorKeyError},
    },
};
use tidings_gateway::auth::{AuthConfig, AuthConfigError, SecretConfig, TokenSigner};

use crate::say::say;

/// The operator key's file in a folder of secrets.
const OPERATOR_KEY: &str = "operator.key";

/// The file of the secret that ids depend on.
const IDS_SECRET: &str = "ids.secret";

/// Under which the key store keeps the fingerprint of that secret.
const IDS_MARK: &str = "ids";

/// Where the secrets are that all servers of a log share. A single server makes its own, in its data
/// folder, when it makes its log.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SecretsConfig {
    /// The key that wraps all content keys: 64 hexadecimal digits, or the base64 of 32 bytes.
    pub(crate) operator_key_file: Option<PathBuf>,
    /// The secret that ids are derived with: 64 hexadecimal digits, or 32 bytes as they are.
    pub(crate) ids_secret_file: Option<PathBuf>,
}

/// What a server needs beside its log.
pub(crate) struct Secrets {
    pub(crate) operator: OperatorKey,
    pub(crate) ids: IdsSecret,
}

/// The secret that ids are derived with, before the log has been asked whether it is the right one.
pub(crate) struct IdsSecret {
    ids: Ids,
    path: PathBuf,
}

impl Secrets {
    /// Reads them; those of a log that `is_new` are made, unless the configuration names them.
    pub(crate) fn load(
        config: &SecretsConfig,
        data: &Path,
        is_new: bool,
        random: &dyn SecureRandom,
    ) -> anyhow::Result<Secrets> {
        let place = |path: &Option<PathBuf>, setting, name| match path {
            Some(path) => named(path, setting),
            None if is_new => Ok(data.join(name)),
            None => there(&data.join(name), || {
                format!(
                    "there is no {name} in {}, and the log is in use with one: copy it from a server \
                     that runs on this log or from a backup, or name it in secrets.{setting}",
                    data.display()
                )
            }),
        };
        let operator_path = place(&config.operator_key_file, "operator_key_file", OPERATOR_KEY)?;
        let ids_path = place(&config.ids_secret_file, "ids_secret_file", IDS_SECRET)?;
        let ids = match ids_path.exists() {
            true => read_ids(&ids_path)?,
            false => make_ids(&ids_path, random)?,
        };
        Ok(Secrets {
            operator: operator(&operator_path, random)?,
            ids: IdsSecret {
                ids: Ids::new(&ids),
                path: ids_path,
            },
        })
    }
}

impl IdsSecret {
    /// Refuses a secret that is not the one this log was begun with: with two of them there would be
    /// two direct conversations of the same people.
    pub(crate) async fn check(self, keys: &dyn KeyStore) -> anyhow::Result<Ids> {
        let fingerprint = self.ids.fingerprint();
        let first = keys.recorded(IDS_MARK, &fingerprint).await?;
        ensure!(
            first[..] == fingerprint,
            "{} is not the ids secret that this log was begun with: this server needs a copy of the one \
             that the first server has",
            self.path.display()
        );
        Ok(self.ids)
    }
}

/// A file that a setting names, which is there.
fn named(path: &Path, setting: &str) -> anyhow::Result<PathBuf> {
    there(path, || {
        format!(
            "secrets.{setting} names {}, which does not exist: \
             `tidings secrets new DIR` makes the secrets of a new log, \
             all servers of a log have the same",
            path.display()
        )
    })
}

/// Refuses files that the configuration names and that cannot be used. None is made.
pub(crate) fn check(config: &SecretsConfig) -> anyhow::Result<()> {
    if let Some(path) = &config.operator_key_file {
        let path = named(path, "operator_key_file")?;
        operator(&path, &ring::rand::SystemRandom::new())?;
    }
    if let Some(path) = &config.ids_secret_file {
        read_ids(&named(path, "ids_secret_file")?)?;
    }
    Ok(())
}

fn there(path: &Path, missing: impl FnOnce() -> String) -> anyhow::Result<PathBuf> {
    let found = path.try_exists();
    ensure!(
        found.with_context(|| format!("cannot read {}", path.display()))?,
        missing()
    );
    Ok(path.to_owned())
}

/// The bytes of a file that nobody but its owner may read.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let unreadable = || format!("cannot read {}", path.display());
    let mut file = fs::File::open(path).with_context(unreadable)?;
    let mode = file.metadata().with_context(unreadable)?.mode() & 0o777;
    ensure!(
        mode & 0o077 == 0,
        "others may read {}, its mode is {mode:o}: make it 600",
        path.display()
    );
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(unreadable)?;
    Ok(bytes)
}

/// A secret in words, such as a password, without the end of its line.
pub(crate) fn read_line(path: &Path) -> anyhow::Result<String> {
    let text = String::from_utf8(read(path)?)
        .ok()
        .with_context(|| format!("{} is not a text", path.display()))?;
    let line = text.trim_end_matches(['\r', '\n']);
    ensure!(
        !line.is_empty() && !line.contains('\n'),
        "{} is to hold one line",
        path.display()
    );
    Ok(line.to_owned())
}

fn operator(path: &Path, random: &dyn SecureRandom) -> anyhow::Result<OperatorKey> {
    OperatorKey::load_or_generate(path, random).map_err(|error| match error {
        OperatorKeyError::Malformed => anyhow!(
            "{} is to hold 64 hexadecimal digits, or the base64 of 32 bytes: restore it from a backup; \
             for a new log `openssl rand -hex 32` makes one",
            path.display()
        ),
        // These name the file.
        error => error.into(),
    })
}

fn read_ids(path: &Path) -> anyhow::Result<[u8; 32]> {
    let bytes = read(path)?;
    let secret = <[u8; 32]>::try_from(&bytes[..])
        .ok()
        .or_else(|| from_hex(std::str::from_utf8(&bytes).ok()?.trim()));
    secret.with_context(|| {
        format!(
            "{} is to hold 64 hexadecimal digits or 32 bytes: restore it from a backup",
            path.display()
        )
    })
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u32> = text
        .chars()
        .map(|c| c.to_digit(16))
        .collect::<Option<_>>()?;
    let bytes = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some((high * 16 + low) as u8),
        _ => None,
    });
    bytes.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// Makes the secret that derived ids depend on: once, whatever happens meanwhile.
fn make_ids(path: &Path, random: &dyn SecureRandom) -> anyhow::Result<[u8; 32]> {
    let mut secret = [0; 32];
    random.fill(&mut secret).expect("the system has randomness");
    let text = to_hex(&secret);
    let new = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        match path.parent() {
            Some(folder) => fs::File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("cannot make {}", path.display()))?;
    Ok(secret)
}

/// Refuses a secret of `[auth]` that is not there or too short, naming its file.
pub(crate) fn check_auth(auth: &AuthConfig) -> anyhow::Result<()> {
    auth.secrets
        .iter()
        .try_for_each(|secret| signer(secret).map(drop))
}

/// Signs tokens with the HS256 secret in a file.
pub(crate) fn signer_of(path: &Path) -> anyhow::Result<TokenSigner> {
    warn_if_exposed(path);
    signer(&SecretConfig {
        file: Some(path.to_owned()),
        ..SecretConfig::default()
    })
}

fn signer(secret: &SecretConfig) -> anyhow::Result<TokenSigner> {
    let alone = AuthConfig {
        secrets: vec![secret.clone()],
        ..AuthConfig::default()
    };
    let make = "`openssl rand -hex 32` makes one";
    let signer = TokenSigner::of(&alone).map_err(|error| match (error, &secret.file) {
        (AuthConfigError::ShortSecret { len, .. }, Some(path)) => anyhow!(
            "the secret in {} has {len} bytes, and at least 32 are needed: {make}",
            path.display()
        ),
        (AuthConfigError::Read { path, error }, _) if error.kind() == io::ErrorKind::NotFound => {
            anyhow!(
                "the file of an HS256 secret, {}, does not exist: {make}",
                path.display()
            )
        }
        (error, _) => anyhow!(error).context("auth.secrets"),
    })?;
    signer.context("there is no secret")
}

/// Warns of a file with a secret that others may read: what is in there is theirs, too.
pub(crate) fn warn_if_exposed(path: &Path) {
    if let Some(warning) = exposed(path) {
        tracing::warn!("{warning}");
    }
}

/// What to say of such a file.
fn exposed(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    (mode & 0o077 != 0).then(|| {
        format!(
            "others may read the secret in {0}, its mode is {mode:o}: run `chmod 600 {0}`",
            path.display()
        )
    })
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Makes the secrets of a new log: a copy of the folder goes to every server that runs on it.
    New {
        /// Folder to make them in.
        folder: PathBuf,
    },
    /// Prints a new key for the backend API.
    ApiKey,
}

impl Command {
    /// True when all is well.
    pub(crate) fn run(self) -> anyhow::Result<bool> {
        let folder = match self {
            Command::New { folder } => folder,
            Command::ApiKey => {
                let mut key = [0; 32];
                let random = ring::rand::SystemRandom::new();
                random.fill(&mut key).expect("the system has randomness");
                say!("{}", to_hex(&key));
                return Ok(true);
            }
        };
        make(&folder, &ring::rand::SystemRandom::new())?;
        let folder = folder.canonicalize()?;
        say!(
            "made, for every server that runs on this log; keep a copy where its backups are not:\n\n\
             [secrets]\noperator_key_file = {:?}\nids_secret_file = {:?}",
            folder.join(OPERATOR_KEY),
            folder.join(IDS_SECRET),
        );
        Ok(true)
    }
}

fn make(folder: &Path, random: &dyn SecureRandom) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for name in [OPERATOR_KEY, IDS_SECRET] {
        if folder.join(name).try_exists()? {
            bail!(
                "there is {name} in {} already: a log that is in use needs it, so choose another folder",
                folder.display()
            );
        }
    }
    operator(&folder.join(OPERATOR_KEY), random)?;
    make_ids(&folder.join(IDS_SECRET), random)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::rand::SystemRandom;

    use super::*;

    fn load(config: &SecretsConfig, data: &Path, is_new: bool) -> Result<Secrets, String> {
        Secrets::load(config, data, is_new, &SystemRandom::new()).map_err(|e| format!("{e:#}"))
    }

    fn refusal(config: &SecretsConfig, data: &Path, is_new: bool) -> String {
        load(config, data, is_new).err().expect("it is refused")
    }

    #[test]
    fn a_new_log_gets_secrets_and_an_old_one_never_does() {
        let data = tempfile::tempdir().unwrap();
        let none = SecretsConfig::default();
        let refused = refusal(&none, data.path(), false);
        assert!(
            refused.starts_with("there is no operator.key in "),
            "{refused}"
        );
        let made = load(&none, data.path(), true).unwrap();
        for name in [OPERATOR_KEY, IDS_SECRET] {
            let mode = fs::metadata(data.path().join(name)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let again = load(&none, data.path(), false).unwrap();
        assert_eq!(again.ids.ids.fingerprint(), made.ids.ids.fingerprint());

        fs::remove_file(data.path().join(IDS_SECRET)).unwrap();
        let refused = refusal(&none, data.path(), false);
        assert!(
            refused.starts_with("there is no ids.secret in "),
            "{refused}"
        );
        assert!(
            !data.path().join(IDS_SECRET).exists(),
            "none is made in its place"
        );
    }

    #[test]
    fn what_is_wrong_with_a_file_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.txt");
        let put = |bytes: &[u8], mode| {
            fs::write(&file, bytes).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        };
        let auth = AuthConfig {
            secrets: vec![SecretConfig {
                file: Some(file.clone()),
                ..SecretConfig::default()
            }],
            ..AuthConfig::default()
        };
        let refused = |auth: &AuthConfig| format!("{:#}", check_auth(auth).unwrap_err());
        let shown = file.display();
        assert_eq!(
            refused(&auth),
            format!(
                "the file of an HS256 secret, {shown}, does not exist: `openssl rand -hex 32` makes one"
            )
        );
        // The end of the line is not part of it.
        put(format!("{}\n", "s".repeat(31)).as_bytes(), 0o600);
        assert_eq!(
            refused(&auth),
            format!(
                "the secret in {shown} has 31 bytes, and at least 32 are needed: \
                 `openssl rand -hex 32` makes one"
            )
        );
        let nothing = AuthConfig {
            secrets: vec![SecretConfig::default()],
            ..AuthConfig::default()
        };
        assert!(refused(&nothing).starts_with("auth.secrets: "));

        put("s".repeat(32).as_bytes(), 0o600);
        check_auth(&auth).unwrap();
        assert!(signer_of(&file).is_ok());
        assert_eq!(exposed(&file), None);
        for mode in [0o644, 0o640, 0o606] {
            put("s".repeat(32).as_bytes(), mode);
            assert_eq!(
                exposed(&file),
                Some(format!(
                    "others may read the secret in {shown}, its mode is {mode:o}: run `chmod 600 {shown}`"
                ))
            );
        }

        let data = tempfile::tempdir().unwrap();
        load(&SecretsConfig::default(), data.path(), true).unwrap();
        let key = data.path().join(OPERATOR_KEY);
        fs::write(&key, "abc").unwrap();
        let refused = refusal(&SecretsConfig::default(), data.path(), false);
        assert!(
            refused.starts_with(&format!("{} is to hold ", key.display())),
            "{refused}"
        );
    }

    #[test]
    fn named_files_are_used_and_never_made() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let secrets = folder.path().join("secrets");
        let config = SecretsConfig {
            operator_key_file: Some(secrets.join(OPERATOR_KEY)),
            ids_secret_file: Some(secrets.join(IDS_SECRET)),
        };
        let refused = refusal(&config, &data, true);
        assert!(
            refused.starts_with("secrets.operator_key_file names "),
            "{refused}"
        );
        make(&secrets, &SystemRandom::new()).unwrap();
        let twice = make(&secrets, &SystemRandom::new()).unwrap_err();
        assert!(twice.to_string().starts_with("there is operator.key in "));
        let first = load(&config, &data, true).unwrap();
        let second = load(&config, &data, false).unwrap();
        assert_eq!(first.ids.ids.fingerprint(), second.ids.ids.fingerprint());
        assert!(!data.exists(), "nothing is made beside them");
    }

    #[test]
    fn a_secret_is_read_in_both_forms_and_refused_in_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(IDS_SECRET);
        let put = |bytes: &[u8], mode| {
            fs::write(&path, bytes).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        };
        for bytes in [
            &[0xab; 32][..],
            "aB".repeat(32).as_bytes(),
            format!("{}\n", "ab".repeat(32)).as_bytes(),
        ] {
            put(bytes, 0o600);
            assert_eq!(read_ids(&path).unwrap(), [0xab; 32]);
        }
        for bytes in [
            &b""[..],
            &[1; 31],
            &[1; 33],
            "ab".repeat(31).as_bytes(),
            "xy".repeat(32).as_bytes(),
            "a".repeat(65).as_bytes(),
        ] {
            put(bytes, 0o600);
            let refused = read_ids(&path).unwrap_err().to_string();
            assert!(refused.contains("64 hexadecimal digits"), "{refused}");
        }
        put(&[1; 32], 0o640);
        let refused = read_ids(&path).unwrap_err().to_string();
        assert!(
            refused.ends_with("its mode is 640: make it 600"),
            "{refused}"
        );
    }
}
