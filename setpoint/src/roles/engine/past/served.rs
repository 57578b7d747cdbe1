//! An engine of the past behind an API of its own, on loopback, in the process of who asks: so that every
//! question that can be asked of the present can be asked of the past.
//!
//! Guarantee: nobody without the token of this one life is answered, and nothing can be changed.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context as _;
use setpoint_api::ServeOptions;
use setpoint_settings::Settings;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::moment::Moment;
use super::replay::Past;
use crate::roles::engine::follow::follower::Follower;
use crate::roles::engine::ports::feed::{self, Audience};
use crate::roles::engine::{Shared, open};
use crate::roles::files;

/// Between two looks for a question: nobody sees the difference.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// A past engine that is told to its read model, and not served yet. The engine itself stays on the thread
/// that made it, and answers there.
pub(crate) struct Shown {
    shared: Shared,
    settings: Settings,
    folder: TempDir,
    stands: Stands,
    closing: CancellationToken,
}

/// Where a past engine stands.
#[derive(Clone, Copy)]
struct Stands {
    epoch: i64,
    time_ms: i64,
}

/// A past engine that is served as long as this is kept.
pub(crate) struct Served {
    /// Where.
    pub(crate) address: SocketAddr,
    /// What to show there.
    pub(crate) token: String,
    /// Engine time of the last epoch, milliseconds since 1970.
    pub(crate) time_ms: i64,
    /// The last epoch.
    pub(crate) epoch: i64,
    _folder: TempDir,
    closing: CancellationToken,
}

impl Past {
    /// The engine as it was behind this moment, told to a read model.
    ///
    /// # Errors
    /// As [`Past::at`].
    pub(crate) fn shown(
        self,
        moment: Moment,
        told: impl FnMut(i64) + Send + 'static,
    ) -> anyhow::Result<Shown> {
        let folder = tempfile::tempdir().context("failed to make a folder for the past engine")?;
        let mut settings = self.settings.clone();
        settings.data_dir = folder.path().to_owned();
        let shared = Shared::open(self.log.clone(), &settings)?;
        let audience = Audience {
            model: shared.model.clone(),
            revisions: shared.revisions.clone(),
            metrics: shared.metrics.clone(),
        };
        let closing = CancellationToken::new();
        let (questions, until) = (shared.questions.clone(), closing.clone());
        let (send, stands) = mpsc::channel();
        std::thread::Builder::new().name("past".into()).spawn(move || {
            let follower = match self.go_to(moment, &audience, told) {
                Ok(follower) => follower,
                Err(error) => return drop(send.send(Err(error))),
            };
            let (epoch, time_ms) = (follower.engine.number(), follower.engine.time_ms());
            drop(send.send(Ok(Stands { epoch, time_ms })));
            while !until.is_cancelled() {
                questions.answer(&follower.engine, &follower.cut);
                std::thread::sleep(LOOK_EVERY);
            }
            questions.dismiss();
        })?;
        let stands = stands.recv().context("the thread of the past engine ended")??;
        Ok(Shown { shared, settings, folder, stands, closing })
    }

    /// Steps to this moment, telling the audience every epoch on the way: what is gone since is known too.
    fn go_to(
        &self,
        moment: Moment,
        audience: &Audience,
        mut told: impl FnMut(i64),
    ) -> anyhow::Result<Follower> {
        let follower = self.at(moment, |stepped| {
            feed::show(audience, &stepped.outcome);
            told(stepped.record.number);
        })?;
        audience.model.set_role("past");
        audience.model.set_ready(true);
        Ok(follower)
    }
}

impl Shown {
    /// Serves it.
    ///
    /// # Errors
    /// When there is no port, or no room for a token.
    pub(crate) async fn serve(self) -> anyhow::Result<Served> {
        let Shown { shared, settings, folder, stands: Stands { epoch, time_ms }, closing } = self;
        let (state, _) = shared.api(&settings)?;
        let token = open::random_token()?;
        let path = folder.path().join("tokens");
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&path)?;
        writeln!(file, "{token},past,admin")?;
        let options = ServeOptions {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tls: None,
            tokens: Some(path),
            connections: files::connections(),
        };
        let (address, server) = setpoint_api::serve(options, state, closing.clone()).await?;
        tokio::spawn(server);
        Ok(Served { address, token, time_ms, epoch, _folder: folder, closing })
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}
