//! How much a component declares. A few bytes can stand for a great deal of work: locals are declared by number, a component
//! within a component is made as often as it is named, and each level multiplies those below it.

mod nesting;

use wasmparser::{FunctionBody, Payload};

use super::CheckError;
use crate::limits::{DECLARED, TABLE_ELEMENTS};
use nesting::Nesting;

/// Elements that a table may begin with.
const TABLE_START: u64 = TABLE_ELEMENTS as u64;
/// Pages (64 KiB) that a memory may begin with: 1 GiB, beyond what any operator gives.
const MEMORY_START: u64 = 16_384;

#[derive(Default)]
pub(super) struct Counts {
    modules: u64,
    components: u64,
    functions: u64,
    locals: u64,
    items: u64,
    nesting: Nesting,
}

impl Counts {
    pub(super) fn add(&mut self, payload: &Payload<'_>) -> Result<(), CheckError> {
        self.nesting.add(payload)?;
        match payload {
            Payload::ModuleSection { .. } => {
                count(&mut self.modules, 1, DECLARED.modules, "modules")
            }
            Payload::InstanceSection(section) => self.modules_of(section.count()),
            Payload::ComponentSection { .. } => {
                count(&mut self.components, 1, DECLARED.components, "components")
            }
            Payload::ComponentInstanceSection(section) => count(
                &mut self.components,
                section.count(),
                DECLARED.components,
                "components",
            ),
            Payload::CodeSectionStart {
                count: functions, ..
            } => count(
                &mut self.functions,
                *functions,
                DECLARED.functions,
                "functions",
            ),
            Payload::CodeSectionEntry(body) => self.body(body),
            Payload::MemorySection(section) => {
                self.items(section.count())?;
                for memory in section.clone().into_iter().flatten() {
                    at_most(
                        memory.initial,
                        MEMORY_START,
                        "pages of memory to begin with",
                    )?;
                }
                Ok(())
            }
            Payload::TableSection(section) => {
                self.items(section.count())?;
                for table in section.clone().into_iter().flatten() {
                    at_most(
                        table.ty.initial,
                        TABLE_START,
                        "elements of a table to begin with",
                    )?;
                }
                Ok(())
            }
            Payload::TypeSection(section) => self.items(section.count()),
            Payload::ImportSection(section) => self.items(section.count()),
            Payload::GlobalSection(section) => self.items(section.count()),
            Payload::ExportSection(section) => self.items(section.count()),
            Payload::ElementSection(section) => self.items(section.count()),
            Payload::DataSection(section) => self.items(section.count()),
            Payload::CoreTypeSection(section) => self.items(section.count()),
            Payload::ComponentTypeSection(section) => self.items(section.count()),
            Payload::ComponentAliasSection(section) => self.items(section.count()),
            Payload::ComponentCanonicalSection(section) => self.items(section.count()),
            Payload::ComponentImportSection(section) => self.items(section.count()),
            Payload::ComponentExportSection(section) => self.items(section.count()),
            _ => Ok(()),
        }
    }

    fn modules_of(&mut self, instances: u32) -> Result<(), CheckError> {
        // Instances of core modules and bundles of exports look alike here; both are few.
        count(&mut self.items, instances, DECLARED.items, "items")
    }

    fn items(&mut self, items: u32) -> Result<(), CheckError> {
        count(&mut self.items, items, DECLARED.items, "items")
    }

    fn body(&mut self, body: &FunctionBody<'_>) -> Result<(), CheckError> {
        let range = body.range();
        at_most(
            (range.end - range.start) as u64,
            DECLARED.function_bytes,
            "bytes of one function",
        )?;
        // What cannot be read is found by who compiles.
        for (locals, _) in body.get_locals_reader().into_iter().flatten().flatten() {
            count(&mut self.locals, locals, DECLARED.locals, "locals")?;
        }
        Ok(())
    }
}

fn count(sum: &mut u64, by: u32, most: u64, what: &'static str) -> Result<(), CheckError> {
    *sum += u64::from(by);
    at_most(*sum, most, what)
}

fn at_most(found: u64, most: u64, what: &'static str) -> Result<(), CheckError> {
    if found > most {
        return Err(CheckError::Declares { what, found, most });
    }
    Ok(())
}
