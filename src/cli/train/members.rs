//! Several runs with the same data, trained side by side. Each writes a run folder like any other.

use super::Train;
use super::run_folder::Run;
use crate::cli::from::First;
use crate::cli::progress::Waiting;
use crate::cli::resume::Resumed;
use crate::cli::signals::Signals;
use crate::cli::sink::Voice;
use gpu_mlp::Error;
use gpu_mlp::base::threads;
use gpu_mlp::config::Config;
use gpu_mlp::data::DataSet;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::run::checkpoint::Identity;
use gpu_mlp::run::settings::Ancestor;
use gpu_mlp::train::fleet;
use gpu_mlp::train::session::{EpochReport, Limits, Reason, Session};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// One of several runs.
pub struct Member {
    pub folder: PathBuf,
    pub config: Config,
    pub limits: Limits,
    /// The run in the folder, if it resumes.
    pub resumed: Option<Resumed>,
    /// Whether anything differs from its checkpoint.
    pub changed: bool,
}

/// What the members share.
pub struct Common<'a> {
    pub data: &'a DataSet,
    pub machine: &'a Machine,
    /// The model that all start with, if any.
    pub first: Option<&'a First>,
    pub ancestor: Option<Ancestor>,
    pub signals: &'a Signals,
    pub start: Instant,
}

/// Called with the position of a member and an epoch of it.
pub type OnMemberEpoch<'a> = &'a (dyn Fn(usize, &EpochReport) + Sync);

/// How a member ended; `None` if it was not begun because of a signal.
pub type Ended = Option<anyhow::Result<Reason>>;

impl Train {
    /// Trains all members: on a GPU in waves that share their dispatches, on the CPU one per thread.
    pub async fn train_members(
        &self,
        common: &Common<'_>,
        members: &[Member],
        on_epoch: OnMemberEpoch<'_>,
    ) -> Result<Vec<Ended>, Error> {
        let mut ended: Vec<Ended> = members.iter().map(|_| None).collect();
        if let Machine::Cpu = common.machine {
            let ended = Mutex::new(ended);
            let next = AtomicUsize::new(0);
            let work = || {
                while common.signals.code().is_none()
                    && let at = next.fetch_add(1, Ordering::Relaxed)
                    && at < members.len()
                {
                    let result = pollster::block_on(async {
                        let member = &members[at];
                        let session = Session::open(&member.config, common.data, common.machine, member.limits).await?;
                        self.train_member(common, member, session, &|report| on_epoch(at, report)).await
                    });
                    ended.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
                }
            };
            let count = threads::most().min(members.len());
            std::thread::scope(|scope| {
                let threads: Vec<_> = (0..count).map(|_| scope.spawn(|| threads::alone(work))).collect();
                threads.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
            })?;
            return Ok(ended.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        let configs: Vec<Config> = members.iter().map(|member| member.config.clone()).collect();
        for wave in fleet::waves(&configs, common.data, common.machine)? {
            if common.signals.code().is_some() {
                break;
            }
            let group = fleet::group(common.machine, wave.len());
            let mut running = Vec::new();
            for at in wave {
                let member = &members[at];
                match Session::open_in(&member.config, common.data, common.machine, group.as_ref(), member.limits).await
                {
                    Ok(session) => running.push((at, session)),
                    Err(error) => ended[at] = Some(Err(error.into())),
                }
            }
            let run = async |(at, session): (usize, Session<'_>)| {
                (at, self.train_member(common, &members[at], session, &|report| on_epoch(at, report)).await)
            };
            for (at, result) in fleet::side_by_side(running.into_iter().map(run)).await {
                ended[at] = Some(result);
            }
        }
        Ok(ended)
    }

    /// Trains one member to its end.
    async fn train_member(
        &self,
        common: &Common<'_>,
        member: &Member,
        mut session: Session<'_>,
        on_epoch: &(dyn Fn(&EpochReport) + Sync),
    ) -> anyhow::Result<Reason> {
        let checkpoint = member.resumed.as_ref().and_then(|resumed| resumed.checkpoint.as_ref());
        match (checkpoint, common.first) {
            (Some(checkpoint), _) => session.resume(&checkpoint.snapshot())?,
            (None, Some(first)) => session.begin_with(&first.model(&member.config, common.data)?)?,
            (None, None) => {}
        }
        let run = Run {
            data: common.data,
            machine: common.machine,
            identity: Identity::new(&member.config, common.data, common.machine),
            ancestor: common.ancestor.clone(),
            resumed: member.resumed.as_ref(),
            changed: member.changed,
            waiting: Waiting::none(),
            start: common.start,
            out: Some(&member.folder),
            signals: common.signals.clone(),
            voice: Voice::Silent,
            of_several: Some(on_epoch),
        };
        self.write_run(session, run).await
    }
}
