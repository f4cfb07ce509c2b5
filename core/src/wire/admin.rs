//! The admin API's requests: method, path and body to what is asked for.

use serde_json::Value;

use crate::config::Limits;
use crate::store::Role;
use crate::time::Wall;
use crate::wire::bookmark::Bookmark;

/// Something an admin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AdminCall {
    CreateMesh { name: String, slug: String },
    ListMeshes { after: Bookmark },
    ShowMesh,
    Invite { uses: u32, role: Role, expires_at: Wall },
    ListMembers,
    RemoveMember { who: String },
}

/// A request that asks for nothing that can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BadCall {
    pub status: u16,
    pub code: &'static str,
    pub message: String,
}

/// What is asked, and of which mesh (slug or id).
pub(crate) fn parse(
    method: &str,
    target: &str,
    body: &[u8],
    now: Wall,
    limits: &Limits,
) -> Result<(Option<String>, AdminCall), BadCall> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let segments: Vec<String> =
        path.split('/').skip(2).map(decode).collect::<Option<_>>().ok_or_else(not_found)?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let (mesh, call) = match (method, segments.as_slice()) {
        ("POST", ["meshes"]) => (None, create(&object(body)?, limits)?),
        ("GET", ["meshes"]) => (None, AdminCall::ListMeshes { after: after(query)? }),
        ("GET", ["meshes", mesh]) => (Some(mesh), AdminCall::ShowMesh),
        ("POST", ["meshes", mesh, "invites"]) => (Some(mesh), invite(&object(body)?, now)?),
        ("GET", ["meshes", mesh, "members"]) => (Some(mesh), AdminCall::ListMembers),
        ("DELETE", ["meshes", mesh, "members", who]) => {
            (Some(mesh), AdminCall::RemoveMember { who: (*who).to_owned() })
        }
        _ => return Err(not_found()),
    };
    Ok((mesh.map(|mesh| (*mesh).to_owned()), call))
}

fn create(body: &Value, limits: &Limits) -> Result<AdminCall, BadCall> {
    let name = body.get("name").and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| bad("name: a text that is not empty is needed"))?;
    if name.len() as u64 > limits.name_bytes_max() {
        return Err(bad(&format!("name: longer than {} bytes", limits.name_bytes_max())));
    }
    let slug = match body.get("slug") {
        None | Some(Value::Null) => slug_of(name),
        Some(slug) => slug.as_str().unwrap_or("").to_owned(),
    };
    let is_slug = slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if slug.is_empty() || slug.len() > 64 || !is_slug || slug.starts_with('-') {
        return Err(bad(&format!("slug: {slug:?} is not 1 to 64 of a-z, 0-9 and -")));
    }
    Ok(AdminCall::CreateMesh { name: name.to_owned(), slug })
}

/// A mesh's short name made from its name.
fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(64);
    slug.trim_end_matches('-').to_owned()
}

fn invite(body: &Value, now: Wall) -> Result<AdminCall, BadCall> {
    let uses = match body.get("uses") {
        None | Some(Value::Null) => 1,
        Some(uses) => uses
            .as_u64()
            .and_then(|uses| u32::try_from(uses).ok())
            .filter(|uses| *uses > 0)
            .ok_or_else(|| bad(&format!("uses: {uses} is not a whole number from 1")))?,
    };
    let role = match body.get("role").map(|role| role.as_str().unwrap_or("")) {
        None | Some("member") => Role::Member,
        Some("admin") => Role::Admin,
        Some(role) => return Err(bad(&format!("role: {role:?} is not member or admin"))),
    };
    const WEEK_MS: u64 = 7 * 24 * 3_600 * 1_000;
    let expires_at = match body.get("expires_at") {
        None | Some(Value::Null) => now.after_millis(WEEK_MS),
        Some(seconds) => seconds
            .as_i64()
            .and_then(|seconds| seconds.checked_mul(1_000))
            .map(Wall::from_millis)
            .filter(|at| *at > now)
            .ok_or_else(|| {
                bad(&format!("expires_at: {seconds} is not a Unix time in seconds that lies ahead"))
            })?,
    };
    Ok(AdminCall::Invite { uses, role, expires_at })
}

fn after(query: &str) -> Result<Bookmark, BadCall> {
    match query.split_once('=') {
        None if query.is_empty() => Ok(Bookmark::START),
        Some(("after", text)) => Bookmark::parse(text)
            .ok_or_else(|| bad(&format!("after: {text:?} is not the \"next\" of an earlier page"))),
        _ => Err(bad("the only parameter is after")),
    }
}

fn object(body: &[u8]) -> Result<Value, BadCall> {
    match serde_json::from_slice(body) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) | Err(_) => Err(bad("the body must be one JSON object")),
    }
}

/// Undoes percent encoding once.
pub(crate) fn decode(segment: &str) -> Option<String> {
    let mut bytes = segment.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let pair = [bytes.next()?, bytes.next()?];
            plain.extend(data_encoding::HEXUPPER_PERMISSIVE.decode(&pair).ok()?);
        } else {
            plain.push(byte);
        }
    }
    String::from_utf8(plain).ok()
}

fn bad(message: &str) -> BadCall {
    BadCall { status: 400, code: "bad_request", message: message.to_owned() }
}

fn not_found() -> BadCall {
    BadCall { status: 404, code: "not_found", message: "no such admin route".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_millis(1_000_000);

    fn asked(method: &str, target: &str, body: &str) -> Result<(Option<String>, AdminCall), String> {
        parse(method, target, body.as_bytes(), NOW, &Limits::default()).map_err(|no| no.message)
    }

    #[test]
    fn a_mesh_without_a_slug_gets_one_from_its_name() {
        let call = AdminCall::CreateMesh { name: "Red Team (2)".to_owned(), slug: "red-team-2".to_owned() };
        assert_eq!(asked("POST", "/admin/meshes", r#"{"name":" Red Team (2) "}"#), Ok((None, call)));
        assert!(
            asked("POST", "/admin/meshes", r#"{"name":"x","slug":"A b"}"#).unwrap_err().starts_with("slug")
        );
        assert!(asked("POST", "/admin/meshes", r#"{"name":""}"#).unwrap_err().starts_with("name"));
        assert!(asked("POST", "/admin/meshes", "[]").unwrap_err().starts_with("the body"));
    }

    #[test]
    fn an_invite_has_one_use_and_a_week_unless_told_otherwise() {
        let (mesh, call) = asked("POST", "/admin/meshes/red/invites", "{}").unwrap();
        assert_eq!(mesh.as_deref(), Some("red"));
        let expires_at = NOW.after_millis(7 * 86_400_000);
        assert_eq!(call, AdminCall::Invite { uses: 1, role: Role::Member, expires_at });
        for wrong in [r#"{"uses":0}"#, r#"{"role":"owner"}"#, r#"{"expires_at":1}"#, r#"{"uses":1.5}"#] {
            assert!(asked("POST", "/admin/meshes/red/invites", wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_in_a_path_is_decoded_once() {
        let (_, call) = asked("DELETE", "/admin/meshes/red/members/Ann%20B%2525", "").unwrap();
        assert_eq!(call, AdminCall::RemoveMember { who: "Ann B%25".to_owned() });
        assert!(asked("DELETE", "/admin/meshes/red/members/%zz", "").is_err());
        assert!(asked("GET", "/admin/nothing", "").is_err());
    }
}
