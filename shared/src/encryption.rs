//! Files encrypted with [age](https://age-encryption.org/v1): for public keys, or with a passphrase.

use std::fmt;
use std::io::{self, BufReader, Read, Write};
use std::str::FromStr;

use age::armor::ArmoredReader;
use age::secrecy::SecretString;
use age::stream::{StreamReader, StreamWriter};

use crate::settings::{Identity, Recipient};
use crate::{Error, Result};

/// How an encrypted file begins: as bytes, and as text.
const BEGINNINGS: [&[u8]; 2] = [b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----"];

/// The most work, as a power of two, that opening with a passphrase may be: the file says how much it
/// is, and might ask for years of it. The most that age's own tool does.
const MOST_WORK: u8 = 22;

/// Who is to open a file.
#[derive(Debug)]
pub enum For {
    /// Whoever has the secret key of one of these.
    Recipients(Vec<Recipient>),
    /// Whoever knows it.
    Passphrase(Passphrase),
}

/// What opens a file.
#[derive(Debug)]
pub enum By {
    /// Secret keys.
    Identity(Identity),
    /// The passphrase it was encrypted with.
    Passphrase(Passphrase),
}

/// A passphrase. It shows nothing of itself.
#[derive(Clone)]
pub struct Passphrase(SecretString);

impl FromStr for Passphrase {
    type Err = Error;

    /// As a file has it: the end of its line is no part of it.
    fn from_str(text: &str) -> Result<Self> {
        let line = text.strip_suffix('\n').unwrap_or(text);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            return Err(Error::Usage("the passphrase is empty".to_owned()));
        }
        // Most likely another file was named.
        if line.contains('\n') {
            return Err(Error::Usage("a passphrase is one line, and the file has several".to_owned()));
        }
        Ok(Self(SecretString::from(line.to_owned())))
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase")
    }
}

/// Why a file cannot be opened.
#[derive(Debug)]
pub enum Unopened {
    /// It is not encrypted with age.
    NotEncrypted,
    /// It is encrypted for others, or with another passphrase.
    ForOthers,
    /// It asks for a passphrase, and there is a key; or the other way round.
    OtherMeans,
    /// It was changed or cut.
    Damaged,
    /// It cannot be read.
    Io(io::Error),
}

/// What is written comes out of `to` encrypted, once it is finished.
pub fn encrypting<W: Write>(to: W, who: &For) -> Result<io::Result<StreamWriter<W>>> {
    let encryptor = match who {
        For::Passphrase(Passphrase(secret)) => age::Encryptor::with_user_passphrase(secret.clone()),
        For::Recipients(recipients) => {
            let keys = recipients.iter().map(Recipient::key).collect::<Result<Vec<_>>>()?;
            let keys = keys.iter().map(|key| key as &dyn age::Recipient);
            age::Encryptor::with_recipients(keys)
                .map_err(|_| Error::Usage("name at least one recipient".to_owned()))?
        }
    };
    Ok(encryptor.wrap_output(to))
}

/// What was encrypted, to be read. What is read may be relied on only when it was read to its end.
pub fn decrypting<R: Read>(from: R, by: &By) -> Result<StreamReader<ArmoredReader<BufReader<R>>>, Unopened> {
    // A file made by hand may be text.
    let decryptor = age::Decryptor::new_buffered(ArmoredReader::new(from)).map_err(|error| match error {
        age::DecryptError::Io(error) if !is_damage(&error) => Unopened::Io(error),
        _ => Unopened::NotEncrypted,
    })?;
    let opened = match by {
        By::Identity(_) if decryptor.is_scrypt() => return Err(Unopened::OtherMeans),
        By::Passphrase(_) if !decryptor.is_scrypt() => return Err(Unopened::OtherMeans),
        By::Identity(identity) => decryptor.decrypt(identity.keys()),
        By::Passphrase(Passphrase(secret)) => {
            let mut identity = age::scrypt::Identity::new(secret.clone());
            identity.set_max_work_factor(MOST_WORK);
            decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity))
        }
    };
    opened.map_err(|error| match error {
        age::DecryptError::Io(error) => Unopened::Io(error),
        age::DecryptError::NoMatchingKeys
        | age::DecryptError::KeyDecryptionFailed
        | age::DecryptError::DecryptionFailed => Unopened::ForOthers,
        _ => Unopened::Damaged,
    })
}

/// Whether this error, of reading what is decrypted, means that the file is not what was written.
pub fn is_damage(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// Whether this is the beginning of an encrypted file.
pub(crate) fn is_encrypted(file: impl Read) -> io::Result<bool> {
    let longest = BEGINNINGS.iter().map(|beginning| beginning.len()).max().unwrap_or_default();
    let mut head = Vec::with_capacity(longest);
    file.take(longest as u64).read_to_end(&mut head)?;
    Ok(BEGINNINGS.iter().any(|beginning| head.starts_with(beginning)))
}

#[cfg(test)]
mod tests {
    use age::secrecy::ExposeSecret as _;

    use super::*;

    fn pair() -> (Identity, Recipient) {
        let key = age::x25519::Identity::generate();
        (key.to_string().expose_secret().parse().unwrap(), key.to_public().to_string().parse().unwrap())
    }

    fn encrypted(text: &[u8], who: &For) -> Vec<u8> {
        let mut to = encrypting(Vec::new(), who).unwrap().unwrap();
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    fn decrypted(file: &[u8], by: &By) -> Result<io::Result<Vec<u8>>, Unopened> {
        let mut reader = decrypting(file, by)?;
        let mut text = Vec::new();
        Ok(reader.read_to_end(&mut text).map(|_| text))
    }

    #[test]
    fn each_recipient_opens_it_and_nobody_else() {
        let ((anns, ann), (bobs, bob), (others, _)) = (pair(), pair(), pair());
        let file = encrypted(b"hello", &For::Recipients(vec![ann, bob]));
        assert!(is_encrypted(&file[..]).unwrap() && !is_encrypted(&file[1..]).unwrap());
        for identity in [anns, bobs] {
            assert_eq!(decrypted(&file, &By::Identity(identity)).unwrap().unwrap(), b"hello");
        }
        assert!(matches!(decrypted(&file, &By::Identity(others)), Err(Unopened::ForOthers)));
        let passphrase = By::Passphrase("x".parse().unwrap());
        assert!(matches!(decrypted(&file, &passphrase), Err(Unopened::OtherMeans)));
    }

    #[test]
    fn whoever_knows_the_passphrase_opens_it() {
        let file = encrypted(b"hello", &For::Passphrase("one two\r\n".parse().unwrap()));
        let by = |text: &str| By::Passphrase(text.parse().unwrap());
        assert_eq!(decrypted(&file, &by("one two")).unwrap().unwrap(), b"hello");
        assert!(matches!(decrypted(&file, &by("one two ")), Err(Unopened::ForOthers)));
        assert!(matches!(decrypted(&file, &By::Identity(pair().0)), Err(Unopened::OtherMeans)));
        assert!(["\n", "", "one\ntwo"].iter().all(|text| text.parse::<Passphrase>().is_err()));
        assert_eq!(format!("{:?}", by("shh")), "Passphrase(Passphrase)");
    }

    #[test]
    fn what_was_changed_or_cut_is_found() {
        let (identity, recipient) = pair();
        let by = By::Identity(identity);
        let text = vec![7; 200_000];
        let file = encrypted(&text, &For::Recipients(vec![recipient]));
        let is_found = |file: &[u8]| match decrypted(file, &by) {
            Ok(Err(error)) => is_damage(&error),
            Ok(Ok(_)) => false,
            Err(_) => true,
        };
        // Also where a chunk of age's ends: what is left is whole chunks.
        let payload = file.len() - (text.len() + 4 * 16);
        for length in [0, 10, payload, payload + 65_552, file.len() - 1] {
            assert!(is_found(&file[..length]), "cut to {length}");
        }
        for at in [30, 150, payload + 1, file.len() - 1] {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(is_found(&changed), "changed at {at}");
        }
        assert!(is_found(&[&file[..], b"x"].concat()));
        assert!(matches!(decrypted(b"SQLite format 3", &by), Err(Unopened::NotEncrypted)));
    }

    #[test]
    fn a_file_that_is_text_is_opened_too() {
        let (identity, recipient) = pair();
        let file = age::encrypt_and_armor(&recipient.key().unwrap(), b"hello").unwrap();
        assert!(is_encrypted(file.as_bytes()).unwrap());
        assert_eq!(decrypted(file.as_bytes(), &By::Identity(identity)).unwrap().unwrap(), b"hello");
    }
}
