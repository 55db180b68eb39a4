//! The schema as the source files state it: what the documents and `tidings.proto` are made from.

use syn::{Attribute, Expr, Fields, Item, Lit, Meta, Type, punctuated::Punctuated, token::Comma};

/// The modules that declare messages, in the order of the documents.
const SOURCES: &[(&str, &str)] = &[
    ("frame", include_str!("../../src/frame.rs")),
    ("command", include_str!("../../src/command.rs")),
    ("query", include_str!("../../src/query.rs")),
    ("event", include_str!("../../src/event.rs")),
    ("view", include_str!("../../src/view.rs")),
    ("import", include_str!("../../src/import.rs")),
];

pub(crate) struct Schema {
    pub(crate) messages: Vec<Message>,
    pub(crate) oneofs: Vec<Oneof>,
}

pub(crate) struct Message {
    /// With its module: `view::Message`.
    pub(crate) path: String,
    pub(crate) doc: String,
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) kind: Kind,
    pub(crate) repeated: bool,
    pub(crate) optional: bool,
    /// 0 for a `oneof`, whose variants have tags of their own.
    pub(crate) tag: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Text,
    Uuid,
    U32,
    U64,
    F64,
    Bool,
    /// Path of a message.
    Message(String),
    /// Name of a `oneof`.
    Oneof(String),
}

pub(crate) struct Oneof {
    pub(crate) name: String,
    pub(crate) variants: Vec<Variant>,
}

pub(crate) struct Variant {
    /// As on the wire: `post_message`.
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) tag: u32,
    /// Path of the message it carries.
    pub(crate) message: String,
}

impl Schema {
    pub(crate) fn read() -> Schema {
        let mut schema = Schema {
            messages: Vec::new(),
            oneofs: Vec::new(),
        };
        for (module, source) in SOURCES {
            for item in syn::parse_file(source).expect("the sources parse").items {
                match item {
                    Item::Struct(item) => {
                        let Fields::Named(fields) = &item.fields else {
                            panic!("unnamed fields")
                        };
                        schema.messages.push(Message {
                            path: format!("{module}::{}", item.ident),
                            doc: doc(&item.attrs),
                            fields: fields.named.iter().map(|f| field(module, f)).collect(),
                        });
                    }
                    Item::Enum(item) => schema.oneofs.push(Oneof {
                        name: item.ident.to_string(),
                        variants: item
                            .variants
                            .iter()
                            .map(|variant| Variant {
                                name: snake(&variant.ident.to_string()),
                                doc: doc(&variant.attrs),
                                tag: tag(&variant.attrs),
                                message: path(
                                    module,
                                    &variant.fields.iter().next().expect("carries a message").ty,
                                ),
                            })
                            .collect(),
                    }),
                    _ => {}
                }
            }
        }
        schema
    }

    pub(crate) fn message(&self, path: &str) -> &Message {
        let found = self.messages.iter().find(|message| message.path == path);
        found.unwrap_or_else(|| panic!("no message {path}"))
    }

    pub(crate) fn oneof(&self, name: &str) -> &Oneof {
        let found = self.oneofs.iter().find(|oneof| oneof.name == name);
        found.unwrap_or_else(|| panic!("no oneof {name}"))
    }
}

fn field(module: &str, field: &syn::Field) -> Field {
    let (mut repeated, mut optional) = (false, false);
    let mut ty = &field.ty;
    loop {
        let Type::Path(outer) = ty else {
            panic!("a plain type")
        };
        let last = outer.path.segments.last().expect("a path has segments");
        match last.ident.to_string().as_str() {
            "Vec" => repeated = true,
            "Option" => optional = true,
            _ => break,
        }
        let syn::PathArguments::AngleBracketed(inner) = &last.arguments else {
            panic!("Vec<_>")
        };
        let Some(syn::GenericArgument::Type(inner)) = inner.args.first() else {
            panic!("Vec<_>")
        };
        ty = inner;
    }
    let oneof = prost(&field.attrs)
        .iter()
        .any(|meta| meta.path().is_ident("oneof"));
    let path = path(module, ty);
    let kind = match path.rsplit("::").next().expect("a name") {
        "String" => Kind::Text,
        "Bytes" => {
            // Every bytes field of this protocol is an identifier.
            let text = field
                .attrs
                .iter()
                .any(|attribute| attribute.path().is_ident("serde"));
            assert!(text, "bytes that are no identifier");
            Kind::Uuid
        }
        "u32" => Kind::U32,
        "u64" => Kind::U64,
        "f64" => Kind::F64,
        "bool" => Kind::Bool,
        name if oneof => Kind::Oneof(name.to_owned()),
        _ => Kind::Message(path),
    };
    Field {
        name: field.ident.as_ref().expect("a name").to_string(),
        doc: doc(&field.attrs),
        tag: if oneof { 0 } else { tag(&field.attrs) },
        kind,
        repeated,
        optional,
    }
}

/// The path of a type, with the module it is named in when it names none.
fn path(module: &str, ty: &Type) -> String {
    let Type::Path(ty) = ty else {
        panic!("a plain type")
    };
    let names: Vec<String> = ty
        .path
        .segments
        .iter()
        .map(|s| s.ident.to_string())
        .collect();
    if names.len() == 1 {
        format!("{module}::{}", names[0])
    } else {
        names.join("::")
    }
}

fn prost(attributes: &[Attribute]) -> Vec<Meta> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("prost"))
        .flat_map(|attribute| {
            attribute
                .parse_args_with(Punctuated::<Meta, Comma>::parse_terminated)
                .expect("prost attributes parse")
        })
        .collect()
}

fn tag(attributes: &[Attribute]) -> u32 {
    prost(attributes)
        .iter()
        .find(|meta| meta.path().is_ident("tag"))
        .and_then(|meta| text(&meta.require_name_value().ok()?.value))
        .and_then(|tag| tag.parse().ok())
        .expect("a tag")
}

fn doc(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| text(&attribute.meta.require_name_value().ok()?.value))
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" ")
}

fn text(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => Some(text.value()),
            _ => None,
        },
        _ => None,
    }
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && i > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
