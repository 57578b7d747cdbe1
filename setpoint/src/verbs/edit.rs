//! `edit`: an object in the user's editor, and what was changed there sent as a patch.
//!
//! Guarantee: what the user wrote is never lost: where it could not be sent, the file stays and its place is told.
//! What another one changed meanwhile is not undone: a field that both changed is a conflict.

mod changes;
mod draft;
mod editor;
mod interrupts;

use clap::Args;
use serde_json::{Value, json};

use crate::client::{ApiError, KindPath, Patch};
use crate::context::{Context, note};
use crate::failure::{Ended, Failure};
use crate::output::field::text;
use crate::verbs::object::one;
use draft::Draft;
use editor::Editor;
use interrupts::Interrupts;

/// How often a file is opened again in a row; who is told so often what is wrong is no person.
const OPENED_MAX: usize = 50;
/// How often changes are sent again because others, to other fields, were faster.
const SENT_MAX: usize = 5;

/// Change an object in an editor
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  setpoint edit deployment/web
  setpoint edit configmap settings -n shop
  KUBE_EDITOR='code --wait' setpoint edit node n1
  EDITOR=\"sed -i s/replicas:.*/replicas:\\ 3/\" setpoint edit deployment/web

The editor is $KUBE_EDITOR, else $EDITOR, else vi, which needs a terminal. The values of a Secret are in base64,
as they are served. Without a terminal use `setpoint patch` or `setpoint apply`.")]
pub(crate) struct Edit {
    /// KIND/NAME or KIND NAME
    #[arg(required = true, num_args = 1..=2)]
    words: Vec<String>,
    /// The namespace
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// What became of changes that were sent.
enum Sent {
    Done,
    /// They are wrong; this is what the user is told.
    Invalid(String),
    /// Others changed these fields too.
    Conflict(Vec<String>),
    /// They were refused for another reason, or never came to the server.
    Refused(ApiError),
    /// Nobody says what became of them.
    Unanswered(ApiError),
}

pub(crate) async fn run(edit: Edit, cx: &mut Context) -> Result<Ended, Failure> {
    let editor = Editor::of_process()?;
    edited_with(&edit, &editor, cx).await
}

async fn edited_with(edit: &Edit, editor: &Editor, cx: &mut Context) -> Result<Ended, Failure> {
    let home = cx.namespace(edit.namespace.as_deref());
    let (path, name) = one(cx, &edit.words).await?;
    let subject = Subject { shown: path.shown(&name), url: path.object(&home, &name), path };
    let what = subject.what();
    let object = cx.client.get(&subject.url, &[]).await.map_err(|error| error.during(&what))?;
    let base = changes::shown_to_people(object);
    let mut draft = Draft::of(&base).map_err(|error| Failure::new(&what).because(error))?;
    let mut interrupts =
        Interrupts::caught().map_err(|error| Failure::new(&what).because(error))?;
    for _ in 0..OPENED_MAX {
        let opened = interrupts.unheard(editor.open(draft.path())).await;
        opened.map_err(|why| draft.kept(Failure::new(&what).because(why)))?;
        let read = draft.read();
        let read = read.map_err(|error| {
            draft.kept(Failure::new(&what).because(format!("the file cannot be read: {error}")))
        })?;
        let edited = match read {
            draft::Read::Empty => return Ok(left("the saved file was empty")),
            draft::Read::AsBefore => {
                let failure = Failure::new(&what).because("it was saved as it was refused");
                return Err(draft.kept(failure));
            }
            draft::Read::Object(edited) if edited == base => return Ok(left("no changes made")),
            draft::Read::Object(edited) => edited,
            draft::Read::Wrong(why) => {
                reopened(&mut draft, &why, &what)?;
                continue;
            }
        };
        let sent = tokio::select! {
            sent = send(&subject, &base, &edited, cx) => sent,
            number = interrupts.next() => {
                let failure = Failure::new(&what).because("it was interrupted");
                return Err(draft.kept_unanswered(failure.of_signal(number)));
            }
        };
        match sent {
            Sent::Done => {
                cx.out.line(format!("{} edited", subject.shown))?;
                return Ok(Ended::Well);
            }
            Sent::Invalid(why) => reopened(&mut draft, &why, &what)?,
            Sent::Conflict(fields) => {
                let failure = fields.iter().fold(Failure::new(&what), |failure, field| {
                    failure.at(field.as_str(), "someone else changed it meanwhile")
                });
                return Err(draft.kept(failure));
            }
            Sent::Refused(error) => return Err(draft.kept(error.during(&what))),
            Sent::Unanswered(error) => return Err(draft.kept_unanswered(error.during(&what))),
        }
    }
    let why = format!("it was refused {OPENED_MAX} times in a row");
    Err(draft.kept(Failure::new(&what).because(why)))
}

/// Puts why it was refused above the text.
fn reopened(draft: &mut Draft, why: &str, what: &str) -> Result<(), Failure> {
    draft.reopen(why).map_err(|error| draft.kept(Failure::new(what).because(error)))
}

/// The object that is edited.
struct Subject {
    path: KindPath,
    shown: String,
    url: String,
}

impl Subject {
    fn what(&self) -> String {
        format!("failed to edit {}", self.shown)
    }
}

fn left(why: &str) -> Ended {
    note(format!("Edit cancelled, {why}."));
    Ended::Well
}

/// Sends what was changed, for the version from which it was changed. Where the object has another one by now,
/// it is compared: fields that only we changed are sent for the version that there is.
async fn send(subject: &Subject, base: &Value, edited: &Value, cx: &Context) -> Sent {
    if let Some(why) = changes::another_object(base, edited) {
        return Sent::Invalid(why);
    }
    let Some(patch) = changes::patch(base, edited) else {
        return Sent::Invalid("only what the server writes was changed, such as status".to_owned());
    };
    let mut version = text(base, "/metadata/resourceVersion").to_owned();
    let mut tries = SENT_MAX;
    loop {
        tries -= 1;
        let mut body = patch.clone();
        if !version.is_empty() {
            body["metadata"]["resourceVersion"] = json!(version);
        }
        let conflict = match cx.client.patch(&subject.url, Patch::Merge, &body).await {
            Ok(_) => return Sent::Done,
            Err(error) if error.is_conflict() && tries > 0 => error,
            Err(error) if error.is_invalid() => {
                let what = format!("{} was refused", subject.path.kind);
                return Sent::Invalid(error.during(what).to_string());
            }
            Err(error) if error.is_undone() => return Sent::Refused(error),
            Err(error) => return Sent::Unanswered(error),
        };
        let now = match cx.client.get(&subject.url, &[]).await {
            Ok(now) => now,
            Err(error) => return Sent::Refused(error),
        };
        let version_now = text(&now, "/metadata/resourceVersion");
        if version_now == version {
            // Nobody was faster: it is another conflict, which would come again and again.
            return Sent::Refused(conflict);
        }
        let fields = changes::changed_by_others(&patch, base, &now);
        if !fields.is_empty() {
            return Sent::Conflict(fields);
        }
        version = version_now.to_owned();
    }
}

#[cfg(test)]
mod tests;
