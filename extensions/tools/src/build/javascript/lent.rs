//! Mends components of componentize-qjs 0.4.5, so that their hooks give back what they are lent.
//!
//! Their runtime drops borrowed handles when wit-dylib calls `wit_dylib_export_finish`, and that is called in `post-return`: too late, for
//! a borrow has to be dropped before the function returns, and in `post-return` nothing may be called that leaves the component. So, in
//! the one core module that wit-dylib made:
//!
//! - each export that is lent something is wrapped: after it has come back, the wrapper drops what it was lent;
//! - each `post-return` of these is wrapped: it sets a flag while it runs;
//! - the drops that the runtime knows (they are in the table) do nothing while the flag is set.
//!
//! A version that drops them itself would drop them twice and trap: `package.json` pins this one.

use std::collections::BTreeMap;
use std::ops::Range;

use wasm_encoder::{
    CodeSection, ConstExpr, ElementSection, Elements, ExportKind, ExportSection, Function,
    FunctionSection, GlobalSection, GlobalType, RawSection, Section, ValType,
};
use wasmparser::{ElementItems, ElementKind, ExternalKind, Operator, Parser, Payload, TypeRef};
use wit_parser::abi::{AbiVariant, FlatTypes, WasmType};
use wit_parser::{
    Handle, LiftLowerAbi, ManglingAndAbi, Resolve, ResourceIntrinsic, Type, TypeDefKind, TypeId,
    TypeOwner, WasmExport, WasmExportKind, WasmImport, WorldId, WorldItem,
};

type Result<T> = std::result::Result<T, String>;

/// An export that is lent something: for each such parameter, its place among the flat ones and the import that drops it.
struct Lent {
    post_return: String,
    handles: Vec<(u32, (String, String))>,
}

const ABI: ManglingAndAbi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);

/// Mends the component. The world is that which it was made for.
pub(super) fn mend(component: &[u8], resolve: &Resolve, world: WorldId) -> Result<Vec<u8>> {
    let lent = lent(resolve, world)?;
    let mut mended = 0;
    let out = rewrite(component, &lent, &mut mended)?;
    match mended {
        1 => Ok(out),
        n => Err(format!("it has {n} modules of wit-dylib, and not one")),
    }
}

fn lent(resolve: &Resolve, world: WorldId) -> Result<BTreeMap<String, Lent>> {
    let mut all = BTreeMap::new();
    for (key, item) in &resolve.worlds[world].exports {
        let functions: Vec<_> = match item {
            WorldItem::Function(function) => vec![(None, function)],
            WorldItem::Interface { id, .. } => resolve.interfaces[*id]
                .functions
                .values()
                .map(|f| (Some(key), f))
                .collect(),
            WorldItem::Type { .. } => continue,
        };
        for (interface, func) in functions {
            let (mut at, mut handles) = (0, Vec::new());
            for param in &func.params {
                let mut space = [WasmType::I32; 32];
                let mut flat = FlatTypes::new(&mut space);
                let fits = resolve.push_flat(&param.ty, &mut flat);
                if let Some(resource) = borrowed(resolve, &param.ty) {
                    if let Some(drop) = drop_of(resolve, world, resource) {
                        handles.push((at, drop));
                    }
                } else if lends(resolve, &param.ty) {
                    return Err(format!(
                        "{}: what is lent is within another type",
                        func.name
                    ));
                }
                at += if fits {
                    u32::try_from(flat.to_vec().len()).unwrap_or(u32::MAX)
                } else {
                    32
                };
            }
            if handles.is_empty() {
                continue;
            }
            if resolve
                .wasm_signature(AbiVariant::GuestExport, func)
                .indirect_params
            {
                return Err(format!("{}: too many parameters", func.name));
            }
            let name = |kind| {
                resolve.wasm_export_name(
                    ABI,
                    WasmExport::Func {
                        interface,
                        func,
                        kind,
                    },
                )
            };
            let post_return = name(WasmExportKind::PostReturn);
            all.insert(
                name(WasmExportKind::Normal),
                Lent {
                    post_return,
                    handles,
                },
            );
        }
    }
    Ok(all)
}

/// Of which resource it is a borrow, if it is one.
fn borrowed(resolve: &Resolve, ty: &Type) -> Option<TypeId> {
    let Type::Id(id) = ty else { return None };
    match &resolve.types[*id].kind {
        TypeDefKind::Handle(Handle::Borrow(resource)) => Some(owner(resolve, *resource)),
        TypeDefKind::Type(ty) => borrowed(resolve, ty),
        _ => None,
    }
}

/// The resource itself, where it was `use`d from.
fn owner(resolve: &Resolve, id: TypeId) -> TypeId {
    match resolve.types[id].kind {
        TypeDefKind::Type(Type::Id(of)) => owner(resolve, of),
        _ => id,
    }
}

/// The import that drops a resource; none where it is not imported.
fn drop_of(resolve: &Resolve, world: WorldId, resource: TypeId) -> Option<(String, String)> {
    let TypeOwner::Interface(owner) = resolve.types[resource].owner else {
        return None;
    };
    let (key, _) = resolve.worlds[world]
        .imports
        .iter()
        .find(|(_, item)| matches!(item, WorldItem::Interface { id, .. } if *id == owner))?;
    let intrinsic = ResourceIntrinsic::ImportedDrop;
    Some(resolve.wasm_import_name(
        ABI,
        WasmImport::ResourceIntrinsic {
            interface: Some(key),
            resource,
            intrinsic,
        },
    ))
}

/// Whether there is a borrow anywhere in it.
fn lends(resolve: &Resolve, ty: &Type) -> bool {
    let Type::Id(id) = ty else { return false };
    let any = |types: &mut dyn Iterator<Item = &Type>| {
        for ty in types {
            if lends(resolve, ty) {
                return true;
            }
        }
        false
    };
    match &resolve.types[*id].kind {
        TypeDefKind::Handle(Handle::Borrow(_)) => true,
        TypeDefKind::Record(of) => any(&mut of.fields.iter().map(|field| &field.ty)),
        TypeDefKind::Tuple(of) => any(&mut of.types.iter()),
        TypeDefKind::Variant(of) => any(&mut of.cases.iter().filter_map(|case| case.ty.as_ref())),
        TypeDefKind::Result(of) => any(&mut of.ok.iter().chain(&of.err)),
        TypeDefKind::Option(of)
        | TypeDefKind::List(of)
        | TypeDefKind::FixedLengthList(of, _)
        | TypeDefKind::Type(of) => lends(resolve, of),
        TypeDefKind::Map(key, value) => lends(resolve, key) || lends(resolve, value),
        TypeDefKind::Future(of) | TypeDefKind::Stream(of) => any(&mut of.iter()),
        _ => false,
    }
}

/// Writes a component (or a module) anew, with the module of wit-dylib mended, however deep it lies.
fn rewrite(binary: &[u8], lent: &BTreeMap<String, Lent>, mended: &mut u32) -> Result<Vec<u8>> {
    let mut out = binary[..8].to_vec();
    let mut skip_to = 0;
    for payload in Parser::new(0).parse_all(binary) {
        let payload = payload.map_err(|why| why.to_string())?;
        // `parse_all` goes into what is nested: what was written already is left out.
        let within = |range: &Range<usize>| range.start < skip_to;
        match &payload {
            Payload::ModuleSection {
                unchecked_range, ..
            } if !within(unchecked_range) => {
                skip_to = unchecked_range.end;
                let module = &binary[unchecked_range.clone()];
                let new = match module_of_wit_dylib(module)? {
                    true => {
                        *mended += 1;
                        mend_module(module, lent)?
                    }
                    false => module.to_vec(),
                };
                RawSection { id: 1, data: &new }.append_to_component(&mut out);
            }
            Payload::ComponentSection {
                unchecked_range, ..
            } if !within(unchecked_range) => {
                skip_to = unchecked_range.end;
                let new = rewrite(&binary[unchecked_range.clone()], lent, mended)?;
                RawSection { id: 4, data: &new }.append_to_component(&mut out);
            }
            payload => {
                if let Some((id, range)) = payload.as_section()
                    && !within(&range)
                {
                    RawSection {
                        id,
                        data: &binary[range],
                    }
                    .append_to_component(&mut out);
                }
            }
        }
    }
    Ok(out)
}

trait AppendToComponent {
    fn append_to_component(&self, out: &mut Vec<u8>);
}

impl AppendToComponent for RawSection<'_> {
    fn append_to_component(&self, out: &mut Vec<u8>) {
        out.push(self.id);
        wasm_encoder::Encode::encode(self.data, out);
    }
}

fn module_of_wit_dylib(module: &[u8]) -> Result<bool> {
    for payload in Parser::new(0).parse_all(module) {
        if let Payload::ImportSection(imports) = payload.map_err(|why| why.to_string())? {
            for import in imports.into_imports() {
                let import = import.map_err(|why| why.to_string())?;
                if import.module == "env" && import.name == "wit_dylib_export_call" {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

fn mend_module(module: &[u8], lent: &BTreeMap<String, Lent>) -> Result<Vec<u8>> {
    let bad = |why: wasmparser::BinaryReaderError| why.to_string();
    let strange = |what: &str| format!("the module of wit-dylib is not as expected: {what}");

    // What is there.
    let mut params = Vec::new(); // of each type
    let mut types = Vec::new(); // of each function
    let mut imported = 0;
    let mut drops: BTreeMap<(String, String), u32> = BTreeMap::new();
    let (mut globals, mut exports, mut elements) = (0, Vec::new(), Vec::new());
    let mut table_base = None;
    for payload in Parser::new(0).parse_all(module) {
        match payload.map_err(bad)? {
            Payload::TypeSection(section) => {
                for ty in section.into_iter_err_on_gc_types() {
                    params.push(ty.map_err(bad)?.params().len());
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(bad)?;
                    match import.ty {
                        TypeRef::Func(ty) => {
                            if import.name.starts_with("[resource-drop]")
                                && !import.module.starts_with("[export]")
                            {
                                drops.insert(
                                    (import.module.to_owned(), import.name.to_owned()),
                                    imported,
                                );
                            }
                            types.push(ty);
                            imported += 1;
                        }
                        TypeRef::Global(_) => globals += 1,
                        _ => {}
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    types.push(ty.map_err(bad)?);
                }
            }
            Payload::GlobalSection(_) => return Err(strange("it has globals")),
            Payload::ExportSection(section) => {
                for export in section {
                    exports.push(export.map_err(bad)?);
                }
            }
            Payload::ElementSection(section) => {
                for element in section {
                    let element = element.map_err(bad)?;
                    let ElementKind::Active { offset_expr, .. } = element.kind else {
                        return Err(strange("its elements"));
                    };
                    let mut operators = offset_expr.get_operators_reader();
                    let (Operator::GlobalGet { global_index }, None) =
                        (operators.read().map_err(bad)?, table_base)
                    else {
                        return Err(strange("where its elements go"));
                    };
                    table_base = Some(global_index);
                    let ElementItems::Functions(functions) = element.items else {
                        return Err(strange("its elements"));
                    };
                    for function in functions {
                        elements.push(function.map_err(bad)?);
                    }
                }
            }
            _ => {}
        }
    }
    let table_base = table_base.ok_or_else(|| strange("it has no elements"))?;
    let flag = globals;

    // What is added.
    let mut added: Vec<(u32, Function)> = Vec::new();
    let first = u32::try_from(types.len()).map_err(|_| strange("its size"))?;
    let mut add = |ty: u32, build: &dyn Fn(&mut wasm_encoder::InstructionSink<'_>)| {
        let mut function = Function::new([]);
        let mut code = function.instructions();
        build(&mut code);
        code.end();
        added.push((ty, function));
        first + u32::try_from(added.len()).unwrap_or(u32::MAX) - 1
    };
    let pass_on = |code: &mut wasm_encoder::InstructionSink<'_>, function: u32| {
        for param in 0..params[types[function as usize] as usize] {
            code.local_get(param as u32);
        }
        code.call(function);
    };
    let find = |name: &str| {
        let found = exports
            .iter()
            .find(|export| export.kind == ExternalKind::Func && export.name == name);
        found
            .map(|export| export.index)
            .ok_or_else(|| strange(&format!("no export {name}")))
    };
    let mut instead: BTreeMap<&str, u32> = BTreeMap::new();
    for (name, of) in lent {
        let mut handles = Vec::new();
        for (param, drop) in &of.handles {
            handles.push((
                *param,
                *drops
                    .get(drop)
                    .ok_or_else(|| strange(&format!("no import {} of {}", drop.1, drop.0)))?,
            ));
        }
        let inner = find(name)?;
        let wrapped = add(types[inner as usize], &|code| {
            pass_on(code, inner);
            for (param, drop) in &handles {
                code.local_get(*param).call(*drop);
            }
        });
        instead.insert(name, wrapped);
        let inner = find(&of.post_return)?;
        let wrapped = add(types[inner as usize], &|code| {
            code.i32_const(1).global_set(flag);
            pass_on(code, inner);
            code.i32_const(0).global_set(flag);
        });
        instead.insert(&of.post_return, wrapped);
    }
    let mut guarded = BTreeMap::new();
    for drop in drops.values() {
        let guard = add(types[*drop as usize], &|code| {
            code.global_get(flag)
                .i32_eqz()
                .if_(wasm_encoder::BlockType::Empty);
            code.local_get(0).call(*drop).end();
        });
        guarded.insert(*drop, guard);
    }
    if let Some(missing) = drops.iter().find(|(_, drop)| !elements.contains(drop)) {
        return Err(strange(&format!("{} is not in its table", missing.0.1)));
    }

    // And all of it, written.
    let mut out = module[..8].to_vec();
    for payload in Parser::new(0).parse_all(module) {
        let payload = payload.map_err(bad)?;
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        match payload {
            Payload::FunctionSection(_) => {
                let mut section = FunctionSection::new();
                for ty in types[imported as usize..]
                    .iter()
                    .chain(added.iter().map(|(ty, _)| ty))
                {
                    section.function(*ty);
                }
                section.append_to(&mut out);
            }
            Payload::ExportSection(_) => {
                let mut section = GlobalSection::new();
                section.global(
                    GlobalType {
                        val_type: ValType::I32,
                        mutable: true,
                        shared: false,
                    },
                    &ConstExpr::i32_const(0),
                );
                section.append_to(&mut out);
                let mut section = ExportSection::new();
                for export in &exports {
                    let ExternalKind::Func = export.kind else {
                        return Err(strange("it exports more than functions"));
                    };
                    section.export(
                        export.name,
                        ExportKind::Func,
                        instead.get(export.name).copied().unwrap_or(export.index),
                    );
                }
                section.append_to(&mut out);
            }
            Payload::ElementSection(_) => {
                let functions: Vec<u32> = elements
                    .iter()
                    .map(|function| *guarded.get(function).unwrap_or(function))
                    .collect();
                let mut section = ElementSection::new();
                section.active(
                    Some(0),
                    &ConstExpr::global_get(table_base),
                    Elements::Functions(functions.into()),
                );
                section.append_to(&mut out);
            }
            Payload::CodeSectionStart { .. } => {
                let mut section = CodeSection::new();
                for payload in Parser::new(0).parse_all(module) {
                    if let Payload::CodeSectionEntry(body) = payload.map_err(bad)? {
                        section.raw(&module[body.range()]);
                    }
                }
                for (_, function) in &added {
                    section.function(function);
                }
                section.append_to(&mut out);
            }
            _ => RawSection {
                id,
                data: &module[range],
            }
            .append_to(&mut out),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENDS: &str = "
        package a:b;
        interface things { resource thing { name: func() -> string; } }
        interface hook { use things.{thing}; on-thing: func(number: u64, thing: borrow<thing>); idle: func(); }
        world w { import things; export hook; }
    ";

    fn world(wit: &str) -> (Resolve, WorldId) {
        let mut resolve = Resolve::default();
        let package = resolve.push_str("a.wit", wit).expect("WIT");
        let world = resolve
            .select_world(&[package], Some("w"))
            .expect("a world");
        (resolve, world)
    }

    #[test]
    fn what_is_lent_is_known_by_its_place_and_its_drop() {
        let (resolve, world) = world(LENDS);
        let all = lent(&resolve, world).expect("it can be mended");
        let [(name, of)] = all.iter().collect::<Vec<_>>()[..] else {
            panic!("one is lent something: {:?}", all.keys())
        };
        assert_eq!(name, "a:b/hook#on-thing");
        assert_eq!(of.post_return, "cabi_post_a:b/hook#on-thing");
        let drop = ("a:b/things".to_owned(), "[resource-drop]thing".to_owned());
        assert_eq!(of.handles, [(1, drop)]);
    }

    #[test]
    fn what_is_lent_within_something_is_refused() {
        let (resolve, world) =
            world(&LENDS.replace("thing: borrow<thing>", "things: list<borrow<thing>>"));
        let why = lent(&resolve, world).err().expect("refused");
        assert!(why.contains("within another type"), "{why}");
    }

    #[test]
    fn another_component_is_refused() {
        let (resolve, world) = world(LENDS);
        let empty = b"\0asm\x0d\0\x01\0";
        let why = mend(empty, &resolve, world).expect_err("refused");
        assert_eq!(why, "it has 0 modules of wit-dylib, and not one");
    }
}
