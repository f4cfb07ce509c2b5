//! `mesh create`, `mesh list`, `mesh show`.

use serde_json::{Value, json};

use super::AdminError;
use super::api::{self, Api, cell, text};
use crate::failure::Failure;
use crate::http::segment;
use crate::terminal::{Terminal, table};

/// Makes a mesh.
pub(crate) fn create(
    api: &Api,
    name: &str,
    slug: Option<&str>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut body = json!({ "name": name });
    if let Some(slug) = slug {
        body["slug"] = slug.into();
    }
    let mesh = api.ask("POST", "/admin/meshes", Some(&body))?;
    let (id, slug) = (text(&mesh, "mesh_id")?, text(&mesh, "slug")?);
    let flags = api.flags();
    let said = format!("created mesh {slug} ({id}); invite peers with: peermesh invite {slug}{flags}");
    Ok(terminal.result(&mesh, [said.as_str()])?)
}

/// Lists every mesh, page by page.
pub(crate) fn list(api: &Api, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut meshes: Vec<Value> = Vec::new();
    let mut target = "/admin/meshes".to_owned();
    loop {
        let page = api.ask("GET", &target, None)?;
        let rows = api::rows(&page, "meshes")?;
        meshes.extend_from_slice(rows);
        match page.get("next").and_then(Value::as_str) {
            // A page without rows ends the list even if it names another, so that the loop always ends.
            Some(next) if !rows.is_empty() => target = format!("/admin/meshes?after={next}"),
            _ => break,
        }
    }
    let cells: Vec<Vec<String>> = meshes
        .iter()
        .map(|mesh| {
            ["slug", "name", "members", "created_at", "mesh_id"].map(|name| cell(mesh, name)).to_vec()
        })
        .collect();
    let lines = table(&["SLUG", "NAME", "MEMBERS", "CREATED", "ID"], &cells);
    Ok(terminal.result(&json!({ "meshes": meshes }), lines.iter().map(String::as_str))?)
}

/// Shows one mesh.
pub(crate) fn show(api: &Api, mesh: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let found = api.ask("GET", &path(mesh), None)?;
    let Value::Object(fields) = &found else {
        return Err(AdminError::Incomplete { field: "the mesh" }.into());
    };
    let cells: Vec<Vec<String>> = fields.keys().map(|name| vec![name.clone(), cell(&found, name)]).collect();
    let lines = table(&["FIELD", "VALUE"], &cells);
    Ok(terminal.result(&found, lines.iter().map(String::as_str))?)
}

/// The path of a mesh, by slug or id.
pub(super) fn path(mesh: &str) -> String {
    format!("/admin/meshes/{}", segment(mesh))
}
