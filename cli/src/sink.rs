//! Where what a command writes goes.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::backup_url::BackupUrl;
use crate::exit::Failure;
use crate::output::Output;

/// Standard output, or a file.
pub enum Sink<'a> {
    Stdout(&'a Output),
    /// Written beside the file it becomes once it is whole; it vanishes if that never happens.
    File {
        path: PathBuf,
        unfinished: BufWriter<NamedTempFile>,
    },
}

impl<'a> Sink<'a> {
    /// What is written goes to standard output, or into this file once it is whole. The backup itself is
    /// no place for it.
    pub fn open(output: &'a Output, path: Option<&Path>, backup: &BackupUrl) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self::Stdout(output)) };
        if backup.file().is_some_and(|backup| is_part_of(path, &backup)) {
            return Err(Failure::usage("--out names the backup itself: name another file"));
        }
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        // Readable by its owner alone, as all that this crate makes.
        let unfinished = NamedTempFile::new_in(folder).map_err(|source| cannot_write(path, source))?;
        Ok(Self::File { path: path.to_owned(), unfinished: BufWriter::new(unfinished) })
    }

    pub fn write(&mut self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
        match self {
            Self::Stdout(output) => output.with(write),
            Self::File { path, unfinished } => write(unfinished).map_err(|source| cannot_write(path, source)),
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
        let Self::File { path, unfinished } = self else { return Ok(()) };
        let kept = unfinished
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.as_file().sync_all().map(|()| file))
            .and_then(|file| file.persist(&path).map_err(|error| error.error));
        kept.map(|_: File| ()).map_err(|source| cannot_write(&path, source))
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

fn cannot_write(path: &Path, source: io::Error) -> Failure {
    Failure::Output { to: path.display().to_string(), source }
}
