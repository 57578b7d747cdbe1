//! Jobs and CronJobs: what becomes of pods that end, when a Job has ended, and which Jobs a schedule
//! starts.

mod counting;
mod planning;
mod finished;
mod telling;
mod crons;
