//! Notes on an issue: a panel, the app's own table, and a permission that the host checks.

use std::time::SystemTime;

use actix_web::http::StatusCode;
use actix_web::{CustomizeResponder, get, post, web};
use askama::Template;
use atlassian_connect_actix::auth::Caller;
use atlassian_connect_actix::database::{Database, DbConnection, new_id};
use atlassian_connect_actix::events::{ListenerError, Occurrence};
use atlassian_connect_actix::permission::{Authorized, Needed, Permission};
use atlassian_connect_actix::{Addon, Error, Form, PageContext, Query, View};
use diesel::prelude::*;
use serde::Deserialize;
use serde_json::Value;

use crate::schema::notes;

/// In characters.
const LONGEST: usize = 2000;

#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
struct Note {
    id: i64,
    tenant: String,
    issue: String,
    author: String,
    text: String,
    created: i64,
}

fn of_issue(connection: &mut DbConnection, tenant: &str, issue: &str) -> QueryResult<Vec<Note>> {
    let of_issue = notes::table.filter(notes::tenant.eq(tenant)).filter(notes::issue.eq(issue));
    of_issue.order((notes::created, notes::id)).select(Note::as_select()).load(connection)
}

/// A form that is sent twice, by going back, has the same id: its note already exists.
fn insert_once(connection: &mut DbConnection, note: &Note) -> QueryResult<()> {
    if notes::table.find(note.id).count().get_result::<i64>(connection)? == 0 {
        diesel::insert_into(notes::table).values(note).execute(connection)?;
    }
    Ok(())
}

/// Users who may see an issue may see its notes.
#[derive(Debug)]
pub struct BrowseIssue;

impl Permission for BrowseIssue {
    const NEEDED: Needed = Needed::Jira { project: &["BROWSE_PROJECTS"], global: &[] };
}

const ADMINISTER: Needed = Needed::Jira { project: &[], global: &["ADMINISTER"] };

type IssuePage = PageContext<Authorized<BrowseIssue>>;
type Panel = Result<CustomizeResponder<View<IssueNotes>>, Error>;

/// Jira writes ids as strings, and in some places as numbers.
fn id_text(id: &Value) -> Option<String> {
    id.as_str().map(str::to_owned).or_else(|| id.as_u64().map(|id| id.to_string()))
}

/// The issue that the viewer was authorized for: (id, key). The request also names one, which must be the same.
fn issue_of(viewer: &Caller, asked: Option<&str>) -> Result<(String, String), Error> {
    let issue = viewer.context().and_then(|context| context.pointer("/jira/issue"));
    let text = |name: &str| issue.and_then(|issue| issue.get(name)).and_then(id_text);
    let id = text("id").ok_or_else(|| Error::bad_request("These notes belong to an issue; there is none here."))?;
    let key = text("key").unwrap_or_else(|| id.clone());
    if asked.is_some_and(|asked| asked != id && asked != key) {
        let detail = format!("the request is about {asked:?}, the token about {key}");
        return Err(Error::forbidden("This page was opened for another issue.", detail));
    }
    Ok((id, key))
}

#[derive(Template)]
#[template(path = "issue_notes.html")]
pub struct IssueNotes {
    page: IssuePage,
    issue: String,
    notes: Vec<ShownNote>,
    draft: Draft,
}

struct ShownNote {
    id: i64,
    text: String,
    is_own: bool,
    can_delete: bool,
}

/// The content of the form.
#[derive(Default)]
struct Draft {
    id: i64,
    text: String,
    problem: Option<String>,
}

/// The panel as it is now.
async fn panel(page: IssuePage, db: Database, mut draft: Draft) -> Panel {
    let (id, issue) = issue_of(page.caller(), None)?;
    let tenant = page.tenant_key().to_owned();
    let found = db.read(move |connection| of_issue(connection, &tenant, &id)).await?;
    let is_own = |note: &Note| page.caller().account_id() == Some(note.author.as_str());
    // only where it matters: it is a request to the host
    let is_admin = !found.iter().all(is_own) && ADMINISTER.authorize(&**page.caller()).await.is_ok();
    let shown = |note: Note| {
        let is_own = is_own(&note);
        ShownNote { id: note.id, is_own, can_delete: is_own || is_admin, text: note.text }
    };
    let notes = found.into_iter().map(shown).collect();
    draft.id = new_id();
    let status = if draft.problem.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(View(IssueNotes { page, issue, notes, draft }).status(status))
}

#[derive(Deserialize)]
pub struct Asked {
    issue: String,
}

#[get("/issue-notes")]
pub async fn show(page: IssuePage, asked: Query<Asked>, db: Database) -> Panel {
    issue_of(page.caller(), Some(&asked.issue))?;
    panel(page, db, Draft::default()).await
}

#[derive(Deserialize)]
pub struct NewNote {
    /// The issue.
    issue: Option<String>,
    text: String,
    /// Made by the page that showed the form.
    id: Option<i64>,
}

/// The text, or why it is not valid.
fn checked(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.chars().count() {
        0 => Err("Write something.".to_owned()),
        length if length > LONGEST => Err(format!("Use at most {LONGEST} characters; this one has {length}.")),
        _ => Ok(text.to_owned()),
    }
}

#[post("/issue-notes")]
pub async fn add(page: IssuePage, form: Form<NewNote>, db: Database) -> Panel {
    let asked = form.issue.as_deref().ok_or_else(|| Error::bad_request("The field \"issue\" is missing."))?;
    let (issue, _) = issue_of(page.caller(), Some(asked))?;
    let author = page.caller().require_account_id()?.to_owned();
    let text = match checked(&form.text) {
        Ok(text) => text,
        Err(problem) => return panel(page, db, Draft { id: 0, text: form.text.clone(), problem: Some(problem) }).await,
    };
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_err(Error::internal)?;
    let created = i64::try_from(since.as_millis()).map_err(Error::internal)?;
    let id = form.id.unwrap_or_else(new_id);
    let note = Note { id, tenant: page.tenant_key().to_owned(), issue, author, text, created };
    db.write(move |connection| insert_once(connection, &note)).await?;
    panel(page, db, Draft::default()).await
}

/// Whether the viewer wrote the note with this id. The note must belong to the viewer's issue.
async fn is_own_note(page: &IssuePage, db: &Database, id: i64) -> Result<bool, Error> {
    let (issue, _) = issue_of(page.caller(), None)?;
    let tenant = page.tenant_key().to_owned();
    let found = db.read(move |connection| of_issue(connection, &tenant, &issue)).await?;
    let note = found.into_iter().find(|note| note.id == id);
    let note = note.ok_or_else(|| Error::not_found("This note does not exist any more."))?;
    Ok(page.caller().account_id() == Some(note.author.as_str()))
}

/// Only for the author.
#[post("/issue-notes/{id}")]
pub async fn edit(page: IssuePage, id: web::Path<i64>, form: Form<NewNote>, db: Database) -> Panel {
    if !is_own_note(&page, &db, *id).await? {
        return Err(Error::forbidden("Only its author can edit a note.", "a note of somebody else"));
    }
    let text = checked(&form.text).map_err(Error::bad_request)?;
    let edited = move |connection: &mut DbConnection| {
        diesel::update(notes::table.find(*id)).set(notes::text.eq(&text)).execute(connection)
    };
    db.write(edited).await?;
    panel(page, db, Draft::default()).await
}

/// Only for the author and administrators.
#[post("/issue-notes/{id}/delete")]
pub async fn delete(page: IssuePage, id: web::Path<i64>, db: Database) -> Panel {
    if !is_own_note(&page, &db, *id).await? {
        ADMINISTER.authorize(&**page.caller()).await?;
    }
    db.write(move |connection| diesel::delete(notes::table.find(*id)).execute(connection)).await?;
    panel(page, db, Draft::default()).await
}

/// Deletes the notes of a deleted issue. Connect's webhook and Forge's event name it in the same way.
pub async fn issue_deleted(event: Occurrence) -> Result<(), ListenerError> {
    let id = event.body.pointer("/issue/id").and_then(id_text).ok_or("the event names no issue")?;
    let tenant = event.tenant_key()?;
    let of_issue = move |connection: &mut DbConnection| {
        let of_issue = notes::table.filter(notes::tenant.eq(&tenant)).filter(notes::issue.eq(&id));
        diesel::delete(of_issue).execute(connection)
    };
    let deleted = event.addon().database()?.write(of_issue).await?;
    tracing::info!(tenant = event.tenant_key()?, deleted, "an issue was deleted, and its notes");
    Ok(())
}

/// Deletes the notes of a site that has been removed for good.
pub async fn tenant_removed(addon: &Addon, client_key: String) -> Result<(), ListenerError> {
    let of_tenant = move |connection: &mut DbConnection| {
        diesel::delete(notes::table.filter(notes::tenant.eq(&client_key))).execute(connection)
    };
    addon.database()?.write(of_tenant).await.map(drop).map_err(Into::into)
}

/// Moves the notes of a site that used the add-on only through Forge, and is now known as a Connect tenant.
pub async fn tenant_associated(addon: &Addon, site: String, client_key: String) -> Result<(), ListenerError> {
    let of_site = move |connection: &mut DbConnection| {
        let notes_of_site = diesel::update(notes::table.filter(notes::tenant.eq(&site)));
        notes_of_site.set(notes::tenant.eq(&client_key)).execute(connection)
    };
    addon.database()?.write(of_site).await.map(drop).map_err(Into::into)
}

/// Logs how many notes each site has.
pub async fn count(addon: Addon) -> Result<(), ListenerError> {
    let by_tenant = |connection: &mut DbConnection| {
        let counted = notes::table.group_by(notes::tenant).select((notes::tenant, diesel::dsl::count_star()));
        counted.load::<(String, i64)>(connection)
    };
    for (client_key, notes) in addon.database()?.read(by_tenant).await? {
        tracing::info!(client_key, notes, "notes of a site");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testing::installed;
    use atlassian_connect_testing::{Reply, TestHost, TestTenant, assert_schema};
    use serde_json::json;

    const ISSUE: &str = "10001";
    const PANEL: &str = "/issue-notes?issue=JRA-1";

    /// A user of `tenant` who looks at the issue.
    fn looking(tenant: &TestTenant, account_id: &str) -> TestTenant {
        let mut viewer = tenant.clone();
        viewer.account_id = account_id.to_owned();
        viewer.context = json!({ "jira": { "issue": { "id": ISSUE, "key": "JRA-1" } } });
        viewer
    }

    /// Makes the host grant these permissions on the issue and these on the site.
    fn grant(host: &TestHost, project: &[&str], global: &[&str]) {
        let granted = |permission: &&str| json!({ "permission": permission, "issues": [ISSUE], "projects": [] });
        let project: Vec<_> = project.iter().map(granted).collect();
        let answer = json!({ "projectPermissions": project, "globalPermissions": global });
        host.stub_post("/rest/api/3/permissions/check", answer);
    }

    async fn started() -> (TestHost, TestTenant, TestTenant) {
        let host = installed().await;
        grant(&host, &["BROWSE_PROJECTS"], &[]);
        let (mia, ben) = (looking(&host.tenant(), "mia"), looking(&host.tenant(), "ben"));
        (host, mia, ben)
    }

    async fn add(host: &TestHost, viewer: &TestTenant, text: &str) -> Reply {
        host.post_form_as(viewer, "/issue-notes", &[("issue", "JRA-1"), ("text", text)]).await
    }

    async fn shown(host: &TestHost, viewer: &TestTenant) -> String {
        let reply = host.open_iframe_as(viewer, PANEL).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    /// The ids of the notes with a delete button in the panel.
    fn deletable(panel: &str) -> Vec<String> {
        let actions = panel.split("/issue-notes/").skip(1).filter_map(|rest| rest.split_once("/delete\""));
        actions.map(|(id, _)| id.to_owned()).collect()
    }

    async fn delete(host: &TestHost, viewer: &TestTenant, id: &str) -> u16 {
        host.post_form_as(viewer, &format!("/issue-notes/{id}/delete"), &[]).await.status
    }

    #[actix_web::test]
    async fn a_note_is_added_seen_by_others_and_deleted_by_its_author() {
        let (host, mia, ben) = started().await;
        assert!(shown(&host, &mia).await.contains("no notes yet"));
        let added = add(&host, &mia, "  first <note> ☃ ").await;
        assert_eq!(added.status, 200, "{}", added.body);
        assert!(added.body.contains("first &#60;note&#62; ☃") && added.body.contains("You"), "{}", added.body);
        let seen = shown(&host, &ben).await;
        assert!(seen.contains("first &#60;note&#62; ☃") && deletable(&seen).is_empty(), "{seen}");

        let [id] = deletable(&shown(&host, &mia).await).try_into().unwrap();
        assert_eq!(delete(&host, &ben, &id).await, 403);
        assert!(shown(&host, &ben).await.contains("first"));
        assert_eq!(delete(&host, &mia, &id).await, 200);
        assert_eq!(delete(&host, &mia, &id).await, 404);
        assert!(shown(&host, &ben).await.contains("no notes yet"));
    }

    #[actix_web::test]
    async fn only_its_author_can_edit_a_note() {
        let (host, mia, ben) = started().await;
        add(&host, &mia, "first").await;
        let [id] = deletable(&shown(&host, &mia).await).try_into().unwrap();
        let edit =
            async |viewer, text| host.post_form_as(viewer, &format!("/issue-notes/{id}"), &[("text", text)]).await;
        assert!(edit(&mia, " second ").await.body.contains(r#"<p class="note">second</p>"#));
        assert_eq!(edit(&ben, "third").await.status, 403);
        assert_eq!(edit(&mia, " ").await.status, 400);
        let other = host.new_tenant();
        host.install(&other).await;
        assert_eq!(edit(&looking(&other, "mia"), "third").await.status, 404);
        assert!(shown(&host, &ben).await.contains(r#"<p class="note">second</p>"#));
    }

    #[actix_web::test]
    async fn administrators_can_delete_notes_of_others() {
        let (host, mia, ben) = started().await;
        add(&host, &mia, "first").await;
        grant(&host, &["BROWSE_PROJECTS"], &["ADMINISTER"]);
        let [id] = deletable(&shown(&host, &ben).await).try_into().unwrap();
        assert_eq!(delete(&host, &ben, &id).await, 200);
    }

    #[actix_web::test]
    async fn a_user_who_may_not_see_the_issue_can_neither_read_nor_write_notes() {
        let (host, mia, _) = started().await;
        add(&host, &mia, "hush").await;
        let [id] = deletable(&shown(&host, &mia).await).try_into().unwrap();
        grant(&host, &[], &[]);
        let eve = looking(&host.tenant(), "eve");
        let page = host.open_iframe_as(&eve, PANEL).await;
        assert_eq!((page.status, page.body.contains("hush")), (403, false));
        let added = add(&host, &eve, "me too").await;
        assert_eq!((added.status, added.body.contains("hush")), (403, false));
        assert_eq!(delete(&host, &eve, &id).await, 403);
        // without an issue there is nothing to check
        assert_eq!(host.open_iframe(PANEL).await.status, 403);
        assert_eq!(host.get(PANEL).await.status, 401);
        grant(&host, &["BROWSE_PROJECTS"], &[]);
        assert_eq!(shown(&host, &mia).await.matches(r#"<p class="note">hush"#).count(), 1);
    }

    #[actix_web::test]
    async fn an_issue_other_than_that_of_the_token_is_refused() {
        let (host, mia, _) = started().await;
        assert_eq!(host.open_iframe_as(&mia, "/issue-notes?issue=JRA-2").await.status, 403);
        assert_eq!(host.post_form_as(&mia, "/issue-notes", &[("issue", "JRA-2"), ("text", "x")]).await.status, 403);
        assert_eq!(host.open_iframe_as(&mia, "/issue-notes").await.status, 400);
        assert_eq!(host.open_iframe_as(&mia, &format!("/issue-notes?issue={ISSUE}")).await.status, 200);
    }

    #[actix_web::test]
    async fn notes_are_the_same_on_forge() {
        let (host, mia, _) = started().await;
        // a site that uses the app only through Forge, and one that is a Connect tenant as well
        let (alone, mut both) = (host.new_tenant(), host.new_tenant());
        both.installation_id = Some(host.invocation_of(&both).installation_id());
        host.install(&both).await;
        let extension = json!({ "type": "jira:issuePanel", "issue": { "id": ISSUE, "key": "JRA-1" } });
        for site in [alone, both] {
            let looking_there = host.invocation_of(&site).claim("/context/extension", extension.clone());
            let page = host.open_forge_by(&looking_there, "issue-notes").await;
            assert_eq!(page.status, 200, "{}", page.body);
            let form = [("issue", "JRA-1"), ("text", "from Forge")];
            let added = host.post_form_with(page.session_token(), "/issue-notes", &form).await;
            assert_eq!((added.status, added.body.contains("from Forge")), (200, true), "{}", added.body);
            assert!(!shown(&host, &mia).await.contains("from Forge"), "another site");
            let again = async || host.open_forge_by(&looking_there, "issue-notes").await.body;
            assert!(again().await.contains(r#"<p class="note">from Forge"#));
            // the ids of the page say what is shown, and the host decides whether this viewer may see it
            grant(&host, &[], &[]);
            let eve = looking_there.clone().claim("/principal", "eve");
            let refused = host.open_forge_by(&eve, "issue-notes").await;
            assert_eq!((refused.status, refused.body.contains("from Forge")), (403, false));
            grant(&host, &["BROWSE_PROJECTS"], &[]);
            let deleted = json!({ "eventType": "avi:jira:deleted:issue", "issue": { "id": ISSUE, "key": "JRA-1" } });
            let event = looking_there.clone().unattended().body(deleted);
            assert_eq!(host.invoke("/forge/events", &event).await.status, 204);
            host.addon().drain(std::time::Duration::from_secs(10)).await;
            assert!(again().await.contains("no notes yet"));
        }
    }

    #[actix_web::test]
    async fn a_tenant_never_sees_the_notes_of_another() {
        let (host, mia, _) = started().await;
        let other = host.new_tenant();
        host.install(&other).await;
        let eve = looking(&other, "eve");
        grant(&host, &["BROWSE_PROJECTS"], &["ADMINISTER"]);
        add(&host, &mia, "hush").await;
        let [id] = deletable(&shown(&host, &mia).await).try_into().unwrap();
        assert!(!shown(&host, &eve).await.contains("hush"));
        let added = add(&host, &eve, "mine").await;
        assert!(added.body.contains("mine") && !added.body.contains("hush"), "{}", added.body);
        assert_eq!(delete(&host, &eve, &id).await, 404);
        host.webhook_as(&eve, "/webhook/issue-deleted", &json!({ "issue": { "id": ISSUE } })).await;
        assert!(shown(&host, &mia).await.contains("hush"));
    }

    #[actix_web::test]
    async fn invalid_text_stays_in_the_form() {
        let (host, mia, _) = started().await;
        for (text, reason) in [("  ", "Write something."), (&*"é".repeat(2001), "this one has 2001")] {
            let reply = add(&host, &mia, text).await;
            assert_eq!((reply.status, reply.body.contains(reason)), (422, true), "{}", reply.body);
        }
        assert!(shown(&host, &mia).await.contains("no notes yet"));
    }

    #[actix_web::test]
    async fn a_nul_character_is_refused_with_a_message() {
        let (host, mia, _) = started().await;
        let reply = add(&host, &mia, "a\0b").await;
        assert_eq!((reply.status, reply.body.contains("NUL character")), (400, true), "{}", reply.body);
        assert!(shown(&host, &mia).await.contains("no notes yet"));
    }

    #[actix_web::test]
    async fn a_form_that_is_sent_twice_saves_one_note() {
        let (host, mia, _) = started().await;
        let form = [("issue", "JRA-1"), ("text", "once"), ("id", "4711")];
        for _ in 0..2 {
            let reply = host.post_form_as(&mia, "/issue-notes", &form).await;
            assert_eq!(
                (reply.status, reply.body.matches(r#"<p class="note">once"#).count()),
                (200, 1),
                "{}",
                reply.body
            );
        }
    }

    #[actix_web::test]
    async fn deleting_an_issue_deletes_its_notes() {
        let (host, mia, _) = started().await;
        add(&host, &mia, "first").await;
        let other = json!({ "webhookEvent": "jira:issue_deleted", "issue": { "id": "10002", "key": "JRA-2" } });
        assert_eq!(host.webhook("/webhook/issue-deleted", &other).await.status, 204);
        assert!(shown(&host, &mia).await.contains("first"));
        let deleted = json!({ "webhookEvent": "jira:issue_deleted", "issue": { "id": ISSUE, "key": "JRA-1" } });
        assert_eq!(host.post("/webhook/issue-deleted", &deleted).await.status, 401);
        assert_eq!(host.webhook("/webhook/issue-deleted", &deleted).await.status, 204);
        assert!(shown(&host, &mia).await.contains("no notes yet"));
    }

    #[actix_web::test]
    async fn removing_a_tenant_deletes_its_notes() {
        let (host, mia, _) = started().await;
        add(&host, &mia, "first").await;
        super::count(host.addon().clone()).await.unwrap();
        super::tenant_removed(host.addon(), host.tenant().client_key).await.unwrap();
        assert!(shown(&host, &mia).await.contains("no notes yet"));
    }

    #[actix_web::test]
    async fn notes_follow_a_site_that_becomes_a_connect_tenant() {
        let (host, mia, _) = started().await;
        add(&host, &mia, "first").await;
        let (site, client_key) = ("ari:cloud:jira::site/c".to_owned(), host.tenant().client_key);
        super::tenant_associated(host.addon(), client_key.clone(), site.clone()).await.unwrap();
        assert!(shown(&host, &mia).await.contains("no notes yet"));
        super::tenant_associated(host.addon(), site, client_key).await.unwrap();
        assert!(shown(&host, &mia).await.contains("first"));
    }

    #[actix_web::test]
    async fn the_table_is_the_one_that_the_migrations_make() {
        assert_schema::<crate::schema::notes::table>(installed().await.addon(), "notes").await;
    }
}
