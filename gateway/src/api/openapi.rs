//! The OpenAPI document, made from the endpoints and the structs they read and write.

use std::collections::BTreeSet;

use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use tidings_protocol::ErrorCode;

use super::{
    Endpoint,
    answer::{Problem, status},
    endpoints,
};

/// The document, OpenAPI 3.1.
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let problem = schemas.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in endpoints() {
        let path = paths
            .entry(endpoint.path)
            .or_insert_with(|| Value::Object(Map::new()));
        path[endpoint.method.as_str().to_ascii_lowercase()] = operation(&endpoint, &mut schemas);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidings backend API",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0 OR MIT" },
        },
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "responses": { "Problem": {
                "description": format!("Refused. {}", statuses()),
                "content": { "application/json": { "schema": problem } },
            } },
            "securitySchemes": { "bearer": {
                "type": "http",
                "scheme": "bearer",
                "description": "An API key, or a token whose claim `scope` has `tidings:` and the scope.",
            } },
        },
    })
}

fn operation(endpoint: &Endpoint, schemas: &mut SchemaGenerator) -> Value {
    let mut parameters: Vec<Value> = endpoint
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let sort = if name == "seq" { "integer" } else { "string" };
            json!({ "name": name, "in": "path", "required": true, "schema": { "type": sort } })
        })
        .collect();
    if let Some(query) = endpoint.query {
        parameters.extend(query_parameters(query(schemas).as_value()));
    }
    if endpoint.changes {
        parameters.push(json!({
            "name": "Idempotency-Key",
            "in": "header",
            "description": "Names the change for this caller and user, 1 to 128 bytes: sent again it is \
                            not carried out again.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 128 },
        }));
    }
    let mut operation = json!({
        "summary": endpoint.summary,
        "description": format!("Scope `{}`.", endpoint.scope),
        "tags": [endpoint.scope.as_str()],
        "security": [{ "bearer": [] }],
        "parameters": parameters,
        "responses": {
            "200": {
                "description": "Done.",
                "content": { "application/json": { "schema": (endpoint.answer)(schemas) } },
            },
            "default": { "$ref": "#/components/responses/Problem" },
        },
    });
    if let Some(body) = endpoint.body {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": body(schemas) } },
        });
    }
    operation
}

/// The fields of a query's struct as parameters.
fn query_parameters(schema: &Value) -> Vec<Value> {
    let required: BTreeSet<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields
        .map(|(name, field)| {
            let mut field = field.clone();
            let description = field
                .as_object_mut()
                .and_then(|field| field.remove("description"));
            json!({
                "name": name,
                "in": "query",
                "required": required.contains(name.as_str()),
                "description": description,
                "schema": field,
            })
        })
        .collect()
}

/// Which codes come with which status.
fn statuses() -> String {
    let mut lines: Vec<(u16, Vec<&str>)> = Vec::new();
    for code in ErrorCode::ALL {
        let status = status(*code).as_u16();
        match lines.iter_mut().find(|(known, _)| *known == status) {
            Some((_, codes)) => codes.push(code.as_str()),
            None => lines.push((status, vec![code.as_str()])),
        }
    }
    lines.sort_unstable();
    let lines: Vec<String> = lines
        .iter()
        .map(|(status, codes)| format!("{status}: {}", codes.join(", ")))
        .collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;

    /// `UPDATE_DOCS=1` writes it anew.
    #[test]
    fn the_committed_document_is_what_the_code_says() {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", "docs", "openapi.json"]
            .iter()
            .collect();
        let mut text = serde_json::to_string_pretty(&document()).unwrap();
        text.push('\n');
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &text).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text,
            "docs/openapi.json is not what the code says: UPDATE_DOCS=1 writes it anew"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                if let Some(Value::String(reference)) = fields.get("$ref") {
                    into.push(reference.clone());
                }
                fields.values().for_each(|value| collect(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| collect(value, into)),
            _ => {}
        }
    }
}
