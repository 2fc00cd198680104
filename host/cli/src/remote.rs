//! Rows and predictions in object stores, for code that computes without a runtime.

use std::io::{self, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak, mpsc};

use tokio::runtime::Runtime;

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_mlflow::artifacts::{ObjectFile, ObjectUpload, is_object_uri};
use hydra_mlflow::environment::Environment;
use hydra_tables::{Bytes, FileFormat, FoundFile, RemoteFile, RowFiles, Upload, is_dash};

/// The bytes that are collected before they are handed over.
const BUFFER: usize = 1 << 20;

/// The address in an object store or on the web that a path is.
pub fn uri_of(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| is_object_uri(text))
}

/// The files of rows at `inputs`: paths, patterns, directories, and addresses in object stores, in this order.
///
/// Fails like [`RowFiles::open`] and [`ObjectFile::find`], and with [`ErrorKind::InvalidArgument`] for stdin among others.
pub fn row_files(
    inputs: &[PathBuf],
    format: Option<FileFormat>,
    environment: &Environment,
) -> Result<RowFiles> {
    if let [input] = inputs
        && uri_of(input).is_none()
    {
        return RowFiles::open(input, format);
    }
    let mut found = Vec::new();
    for input in inputs {
        if is_dash(input) {
            return Err(Error::new(ErrorKind::InvalidArgument, "stdin cannot be one of several inputs"));
        }
        match uri_of(input) {
            Some(uri) => found.extend(files_at(uri, environment)?),
            None => found.extend(RowFiles::find(input)?),
        }
    }
    let name = match inputs {
        [input] => input.display().to_string(),
        inputs => format!("{} inputs", inputs.len()),
    };
    RowFiles::found(&name, found, format)
}

fn files_at(uri: &str, environment: &Environment) -> Result<Vec<FoundFile>> {
    let (uri, environment) = (uri.to_owned(), environment.clone());
    let found = wait_for(async move { ObjectFile::find(&uri, &environment).await })??;
    Ok(found.into_iter().map(|(file, below)| FoundFile::remote(Arc::new(InParts(file)), &below)).collect())
}

#[derive(Debug)]
struct InParts(ObjectFile);

impl RemoteFile for InParts {
    fn name(&self) -> &str {
        self.0.uri()
    }

    fn length(&self) -> u64 {
        self.0.size()
    }

    fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
        let file = self.0.clone();
        wait_for(async move { file.read(range).await }).and_then(|bytes| bytes).map_err(io::Error::other)
    }
}

/// An upload that is removed if it is dropped before it is complete, and by [`abort_uploads`].
pub struct Uploading {
    upload: Arc<Mutex<Option<ObjectUpload>>>,
    buffer: Vec<u8>,
}

/// The uploads of this process.
static UPLOADS: Mutex<Vec<Weak<Mutex<Option<ObjectUpload>>>>> = Mutex::new(Vec::new());

impl Uploading {
    /// An upload to the address `uri`. Fails like [`ObjectUpload::new`].
    pub fn new(uri: &str, environment: &Environment) -> Result<Self> {
        let upload = Arc::new(Mutex::new(Some(ObjectUpload::new(uri, environment)?)));
        UPLOADS.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&upload));
        Ok(Self { upload, buffer: Vec::with_capacity(BUFFER) })
    }

    /// Hands over what was collected. The upload is held until that is done, so that nothing else ends it.
    fn send(&mut self, completes: bool) -> Result<()> {
        let mut held = self.upload.lock().unwrap_or_else(PoisonError::into_inner);
        let mut upload =
            held.take().ok_or_else(|| Error::new(ErrorKind::Interrupted, "the upload was removed"))?;
        let bytes = std::mem::take(&mut self.buffer);
        let (upload, sent) = wait_for(async move {
            let sent = async {
                upload.write(&bytes).await?;
                if completes { upload.complete().await } else { Ok(()) }
            };
            let sent = sent.await;
            (upload, sent)
        })?;
        match sent {
            Ok(()) if completes => {}
            _ => *held = Some(upload),
        }
        sent
    }
}

impl Write for Uploading {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER {
            self.send(false).map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload for Uploading {
    fn complete(mut self: Box<Self>) -> Result<()> {
        self.send(true)
    }
}

impl Drop for Uploading {
    fn drop(&mut self) {
        abort(&self.upload);
    }
}

/// Removes the uploads that are not complete, for a program that is about to end because of a signal.
pub fn abort_uploads() {
    let uploads = std::mem::take(&mut *UPLOADS.lock().unwrap_or_else(PoisonError::into_inner));
    uploads.iter().filter_map(Weak::upgrade).for_each(|upload| abort(&upload));
}

fn abort(upload: &Mutex<Option<ObjectUpload>>) {
    let upload = upload.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(mut upload) = upload
        && let Err(error) = wait_for(async move { upload.remove().await })
    {
        tracing::warn!(%error, "cannot remove the parts of a failed upload");
    }
}

/// Waits for a transfer. Its runtime is a thread of its own, because the caller computes and may be within another runtime.
fn wait_for<T: Send + 'static>(transfer: impl Future<Output = T> + Send + 'static) -> Result<T> {
    static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();
    let failed = |source: String| {
        Error::new(ErrorKind::Internal, "cannot start the threads of transfers").with_source(source)
    };
    let start = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = RUNTIME.get_or_init(start).as_ref().map_err(|error| failed(error.to_string()))?;
    let (sender, receiver) = mpsc::channel();
    runtime.spawn(async move {
        // The receiver waits.
        let _ = sender.send(transfer.await);
    });
    receiver.recv().map_err(|gone| failed(gone.to_string()))
}
