//! One suite for every runtime: what the contract promises, case by case.
//!
//! A runtime's crate implements [`Rig`] in its tests and calls [`run`]. A case that fails panics
//! with its name. Each case cleans up after itself.
//! Absent: what only one runtime has (mounts, images, addresses); its crate tests that.

mod basics;
mod devices;
mod endings;
mod commands;
pub mod escapes;
mod fencing;
mod isolation;
mod messages;
mod volumes;
mod speech;
mod whole;
mod tools;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use setpoint_schemas::{Container, PodUid};

use crate::Actuator;

/// What the suite needs to know of a runtime, and may do to it behind the actuator's back.
pub trait Rig: Send + Sync {
    /// A new instance on the same runtime for fleet `conformance`, as after a restart of the agent.
    fn open(&self) -> BoxFuture<'_, Arc<dyn Actuator>>;
    /// An instance on the same runtime for another fleet.
    fn open_other_fleet(&self) -> BoxFuture<'_, Arc<dyn Actuator>>;
    /// A container that runs until it is asked to end, and then ends at once.
    fn lasting(&self, name: &str) -> Container;
    /// A container that runs and does not end when asked.
    fn stubborn(&self, name: &str) -> Container;
    /// A container that ends by itself at once with this exit code.
    fn ending(&self, name: &str, code: i32) -> Container;
    /// A container that runs until it is asked to end and leaves processes that try to outlive it
    /// and name this word in their arguments; see [`escapes::script`].
    fn escaping(&self, name: &str, word: &str) -> Container;
    /// How many of these processes run, as anybody on the machine sees it: [`escapes::running`],
    /// where the processes are real.
    fn count<'a>(&'a self, word: &'a str) -> BoxFuture<'a, usize>;
    /// A container that runs until the file `key` of its volume `conf` holds this text, and then
    /// ends with this code; `None` where containers read no files.
    fn reading(&self, name: &str, text: &str, code: i32) -> Option<Container>;
    /// A container that ends with this code when its volume `scratch` has the file `mark`, and else
    /// makes that file and ends with 0; `None` where containers write no files.
    fn marking(&self, name: &str, code: i32) -> Option<Container>;
    /// A command that writes this and ends with this code.
    fn saying(&self, text: &str, code: i32) -> Vec<String>;
    /// A command that writes the value of this variable.
    fn telling(&self, variable: &str) -> Vec<String>;
    /// A command that does not end by itself, and names this word in its arguments.
    fn hanging(&self, word: &str) -> Vec<String>;
    /// A container that cannot be started.
    fn unstartable(&self, name: &str) -> Container;
    /// Kills a container with SIGKILL behind the actuator's back.
    fn kill<'a>(&'a self, uid: &'a PodUid, container: &'a str) -> BoxFuture<'a, ()>;
    /// Puts something on the runtime that does not carry our labels.
    fn plant_foreign(&self) -> BoxFuture<'_, ()>;
    /// Whether what was planted still runs untouched.
    fn foreign_lives(&self) -> BoxFuture<'_, bool>;
    /// A container that writes these lines, with a moment after each, and then ends with this code.
    fn writing(&self, name: &str, lines: &[&str], code: i32) -> Container;
    /// A container that leaves this as its last message and ends with this code, or with another one
    /// where a former life's was still there.
    fn leaving(&self, name: &str, text: &str, code: i32) -> Container;
    /// A command that does this beside a container; by a shell, where nothing else is said.
    fn deed(&self, deed: Deed<'_>) -> Vec<String> {
        let script = match deed {
            Deed::Ends(code) => format!("exit {code}"),
            Deed::Echoes => "cat".to_owned(),
            Deed::Writes(bytes) => format!("head -c {bytes} /dev/zero"),
            Deed::Ignores(code) => format!("sleep 1; exit {code}"),
            Deed::Lasts(_) => "while :; do sleep 1; done".to_owned(),
        };
        let mut command = ["sh", "-c"].map(str::to_owned).to_vec();
        command.push(script);
        if let Deed::Lasts(word) = deed {
            command.push(format!("{word}-command"));
        }
        command
    }
    /// Lets this much time pass on the runtime's clock; a real one sleeps.
    fn pass(&self, time: Duration) -> BoxFuture<'_, ()>;
    /// Whether processes are real: what is said to run can be counted on the machine.
    fn has_processes(&self) -> bool {
        true
    }
}

/// What a command does beside a container.
#[derive(Debug, Clone, Copy)]
pub enum Deed<'a> {
    /// It ends with this code.
    Ends(i32),
    /// It writes what it reads until that ends, and then ends with 0.
    Echoes,
    /// It writes so many bytes and ends with 0.
    Writes(usize),
    /// It reads nothing, and ends with this code after a moment.
    Ignores(i32),
    /// It lasts, and names this word in its arguments as [`escapes::running`] counts them.
    Lasts(&'a str),
}

/// The script of a shell that writes these lines, with a moment after each, and ends with this code.
#[must_use]
pub fn script_of(lines: &[&str], code: i32) -> String {
    let said: String = lines.iter().map(|line| format!("echo {line}; sleep 0.2; ")).collect();
    format!("{said}exit {code}")
}

/// The script of a shell that appends this to that file and ends with this code, or with 99 where the
/// file was not empty.
#[must_use]
pub fn script_leaving(file: &str, text: &str, code: i32) -> String {
    format!("if [ -s {file} ]; then exit 99; fi; printf %s {text} >> {file}; exit {code}")
}

/// One promise of the contract.
pub type Case = for<'a> fn(&'a dyn Rig) -> BoxFuture<'a, ()>;

/// All promises, the simple ones first: a runtime that is being written passes from the top.
pub const CASES: &[(&str, Case)] = &[
    ("a_machine_says_what_it_has", |rig| Box::pin(basics::a_machine_says_what_it_has(rig))),
    ("a_started_pod_is_observed", |rig| Box::pin(basics::a_started_pod_is_observed(rig))),
    ("starting_twice_starts_once", |rig| Box::pin(basics::starting_twice_starts_once(rig))),
    ("stopping_twice_is_stopped", |rig| Box::pin(basics::stopping_twice_is_stopped(rig))),
    ("all_containers_of_a_pod_run", |rig| Box::pin(basics::all_containers_of_a_pod_run(rig))),
    ("usage_tells_of_what_runs", |rig| Box::pin(basics::usage_tells_of_what_runs(rig))),
    ("one_that_cannot_start_leaves_the_others", |rig| {
        Box::pin(basics::one_that_cannot_start_leaves_the_others(rig))
    }),
    ("devices_are_given_or_refused_to_their_container_alone", |rig| {
        Box::pin(devices::devices_are_given_or_refused_to_their_container_alone(rig))
    }),
    ("an_end_is_observed_with_its_code", |rig| {
        Box::pin(endings::an_end_is_observed_with_its_code(rig))
    }),
    ("an_ended_container_is_not_started_by_start", |rig| {
        Box::pin(endings::an_ended_container_is_not_started_by_start(rig))
    }),
    ("an_ended_container_restarts", |rig| Box::pin(endings::an_ended_container_restarts(rig))),
    ("a_running_container_is_not_restarted", |rig| {
        Box::pin(endings::a_running_container_is_not_restarted(rig))
    }),
    ("a_restart_of_nothing_says_not_found", |rig| {
        Box::pin(endings::a_restart_of_nothing_says_not_found(rig))
    }),
    ("a_kill_behind_our_back_is_observed", |rig| {
        Box::pin(endings::a_kill_behind_our_back_is_observed(rig))
    }),
    ("a_stubborn_container_is_killed_after_its_grace", |rig| {
        Box::pin(endings::a_stubborn_container_is_killed_after_its_grace(rig))
    }),
    ("one_container_is_ended_and_the_others_run_on", |rig| {
        Box::pin(endings::one_container_is_ended_and_the_others_run_on(rig))
    }),
    ("a_stubborn_one_is_killed_by_its_end", |rig| {
        Box::pin(endings::a_stubborn_one_is_killed_by_its_end(rig))
    }),
    ("an_end_of_what_does_not_run_does_nothing", |rig| {
        Box::pin(endings::an_end_of_what_does_not_run_does_nothing(rig))
    }),
    ("a_cancelled_end_can_be_repeated", |rig| {
        Box::pin(endings::a_cancelled_end_can_be_repeated(rig))
    }),
    ("a_command_tells_what_it_wrote_and_how_it_ended", |rig| {
        Box::pin(commands::a_command_tells_what_it_wrote_and_how_it_ended(rig))
    }),
    ("a_command_has_the_environment_of_its_container", |rig| {
        Box::pin(commands::a_command_has_the_environment_of_its_container(rig))
    }),
    ("a_cancelled_command_is_killed", |rig| Box::pin(commands::a_cancelled_command_is_killed(rig))),
    ("a_command_needs_a_container_that_runs", |rig| {
        Box::pin(commands::a_command_needs_a_container_that_runs(rig))
    }),
    ("what_is_held_is_not_started", |rig| Box::pin(whole::what_is_held_is_not_started(rig))),
    ("a_pod_begins_and_ends_in_its_order", |rig| {
        Box::pin(whole::a_pod_begins_and_ends_in_its_order(rig))
    }),
    ("an_init_container_that_failed_for_good_ends_its_pod", |rig| {
        Box::pin(whole::an_init_container_that_failed_for_good_ends_its_pod(rig))
    }),
    ("how_a_life_ended_is_told_while_the_next_one_runs", |rig| {
        Box::pin(whole::how_a_life_ended_is_told_while_the_next_one_runs(rig))
    }),
    ("a_stop_leaves_nothing_that_tried_to_outlive_it", |rig| {
        Box::pin(escapes::a_stop_leaves_nothing_that_tried_to_outlive_it(rig))
    }),
    ("a_new_instance_stops_what_tried_to_outlive_it", |rig| {
        Box::pin(escapes::a_new_instance_stops_what_tried_to_outlive_it(rig))
    }),
    ("an_end_takes_along_what_tried_to_outlive_it", |rig| {
        Box::pin(escapes::an_end_takes_along_what_tried_to_outlive_it(rig))
    }),
    ("a_changed_volume_is_seen_by_a_running_container", |rig| {
        Box::pin(volumes::a_changed_volume_is_seen_by_a_running_container(rig))
    }),
    ("an_empty_volume_lasts_as_long_as_its_pod", |rig| {
        Box::pin(volumes::an_empty_volume_lasts_as_long_as_its_pod(rig))
    }),
    ("what_lies_in_an_empty_volume_is_measured", |rig| {
        Box::pin(volumes::what_lies_in_an_empty_volume_is_measured(rig))
    }),
    ("a_path_of_the_machine_outlives_the_pod", |rig| {
        Box::pin(volumes::a_path_of_the_machine_outlives_the_pod(rig))
    }),
    ("an_older_generation_is_refused", |rig| {
        Box::pin(fencing::an_older_generation_is_refused(rig))
    }),
    ("an_older_term_is_refused", |rig| Box::pin(fencing::an_older_term_is_refused(rig))),
    ("a_newer_term_leaves_the_pod_running", |rig| {
        Box::pin(fencing::a_newer_term_leaves_the_pod_running(rig))
    }),
    ("a_newer_generation_replaces", |rig| Box::pin(fencing::a_newer_generation_replaces(rig))),
    ("a_cancelled_stop_can_be_repeated", |rig| {
        Box::pin(fencing::a_cancelled_stop_can_be_repeated(rig))
    }),
    ("a_cancelled_start_can_be_stopped", |rig| {
        Box::pin(fencing::a_cancelled_start_can_be_stopped(rig))
    }),
    ("a_new_instance_finds_its_pods", |rig| {
        Box::pin(isolation::a_new_instance_finds_its_pods(rig))
    }),
    ("a_new_instance_learns_how_a_container_ended", |rig| {
        Box::pin(isolation::a_new_instance_learns_how_a_container_ended(rig))
    }),
    ("an_orphan_is_found_and_can_be_stopped", |rig| {
        Box::pin(isolation::an_orphan_is_found_and_can_be_stopped(rig))
    }),
    ("another_fleet_is_left_alone", |rig| Box::pin(isolation::another_fleet_is_left_alone(rig))),
    ("what_is_not_ours_is_never_touched", |rig| {
        Box::pin(isolation::what_is_not_ours_is_never_touched(rig))
    }),
    ("what_a_container_wrote_is_read_back", |rig| {
        Box::pin(speech::what_a_container_wrote_is_read_back(rig))
    }),
    ("a_follower_sees_later_lines_and_ends_with_the_container", |rig| {
        Box::pin(speech::a_follower_sees_later_lines_and_ends_with_the_container(rig))
    }),
    ("the_life_before_is_read_as_the_previous_one", |rig| {
        Box::pin(speech::the_life_before_is_read_as_the_previous_one(rig))
    }),
    ("the_last_message_of_a_life_is_read_and_of_that_life_alone", |rig| {
        Box::pin(messages::the_last_message_of_a_life_is_read_and_of_that_life_alone(rig))
    }),
    ("who_failed_without_a_message_is_told_by_its_output_where_it_says_so", |rig| {
        Box::pin(messages::who_failed_without_a_message_is_told_by_its_output_where_it_says_so(rig))
    }),
    ("who_is_not_there_or_never_ran_has_no_lines_and_no_commands", |rig| {
        Box::pin(speech::who_is_not_there_or_never_ran_has_no_lines_and_no_commands(rig))
    }),
    ("a_command_ends_with_its_code_and_reads_what_it_is_told", |rig| {
        Box::pin(speech::a_command_ends_with_its_code_and_reads_what_it_is_told(rig))
    }),
    ("a_slow_listener_hears_all_that_a_command_wrote", |rig| {
        Box::pin(speech::a_slow_listener_hears_all_that_a_command_wrote(rig))
    }),
    ("a_command_that_does_not_read_keeps_nobody_waiting", |rig| {
        Box::pin(speech::a_command_that_does_not_read_keeps_nobody_waiting(rig))
    }),
    ("a_command_that_nobody_listens_to_leaves_nothing", |rig| {
        Box::pin(speech::a_command_that_nobody_listens_to_leaves_nothing(rig))
    }),
];

/// Runs every case, one after the other, and prints its name before it.
///
/// # Panics
/// When a promise is broken.
pub async fn run(rig: &dyn Rig) {
    for (name, case) in CASES {
        println!("conformance: {name}");
        case(rig).await;
    }
}
