//! Where what a command writes goes.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::backup_url::BackupUrl;
use crate::exit::Failure;
use crate::output::Output;

/// Standard output, or a file.
pub enum Sink<'a> {
    Stdout(&'a Output),
    File(Unfinished),
}

/// A file that is written beside the one it becomes once it is whole; it vanishes if that never happens.
pub struct Unfinished {
    path: PathBuf,
    file: BufWriter<NamedTempFile>,
}

impl<'a> Sink<'a> {
    /// What is written goes to standard output, or into this file once it is whole. The backup itself is
    /// no place for it.
    pub fn open(output: &'a Output, path: Option<&Path>, backup: &BackupUrl) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Stdout(output)) };
        must_not_be_backup(path, backup)?;
        Ok(Self::File(Unfinished::new(path)?))
    }

    pub fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        match self {
            Self::Stdout(output) => output.with(write),
            Self::File(file) => write(&mut file.file).map_err(|source| cannot_write(&file.path, source)),
        }
    }

    /// A row, quoted as needed.
    pub fn csv_row(&mut self, cells: &[&str]) -> Result<(), Failure> {
        self.write(|out| {
            let mut row = csv::Writer::from_writer(out);
            row.write_record(cells)?;
            row.flush()
        })
    }

    /// The file is whole: gives it its name.
    pub fn keep(self) -> Result<(), Failure> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(file) => file.keep(),
        }
    }
}

impl Unfinished {
    /// Readable by its owner alone, as all that this crate makes.
    pub fn new(path: &Path) -> Result<Self, Failure> {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let file = NamedTempFile::new_in(folder).map_err(|source| cannot_write(path, source))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// Gives it its name, in place of one that is there.
    pub fn keep(self) -> Result<(), Failure> {
        let path = self.path.clone();
        let kept = self.whole()?.persist(&path);
        kept.map(drop).map_err(|error| cannot_write(&path, error.error))
    }

    /// All of it, on the disk, without its name.
    pub fn whole(self) -> Result<NamedTempFile, Failure> {
        let whole = self
            .file
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.as_file().sync_all().map(|()| file));
        whole.map_err(|source| cannot_write(&self.path, source))
    }
}

impl Write for Unfinished {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Refuses the backup itself as the place to write to.
pub fn must_not_be_backup(path: &Path, backup: &BackupUrl) -> Result<(), Failure> {
    match backup.file() {
        Some(backup) if is_part_of(path, &backup) => {
            Err(Failure::usage("--out names the backup itself: name another file"))
        }
        _ => Ok(()),
    }
}

/// Whether a path is the backup, or one of the files that belong to it.
fn is_part_of(path: &Path, backup: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let beside = |ending: &str| {
        let mut name = backup.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    ["", "-wal", "-shm", "-journal", ".lock", ".sha256"]
        .iter()
        .any(|ending| real(&beside(ending)) == real(path))
}

pub fn cannot_write(path: &Path, source: io::Error) -> Failure {
    Failure::Output { to: path.display().to_string(), source }
}
