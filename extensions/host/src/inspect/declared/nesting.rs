//! How many components are made when the outermost one is instantiated. Tools nest them a few levels deep; what matters is that
//! levels multiply, so that each is weighed by all that it makes.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind,
    ComponentTypeRef, Encoding, Payload,
};

use super::{CheckError, at_most};
use crate::limits::DECLARED;

/// The components and modules that are being read, the innermost last.
#[derive(Default)]
pub(super) struct Nesting(Vec<Level>);

enum Level {
    Module,
    Component(Scope),
}

/// A component that is being read.
#[derive(Default)]
struct Scope {
    /// What each component that it knows makes, by its index.
    known: Vec<u64>,
    /// What it makes itself, so far.
    makes: u64,
}

impl Nesting {
    pub(super) fn add(&mut self, payload: &Payload<'_>) -> Result<(), CheckError> {
        match payload {
            Payload::Version {
                encoding: Encoding::Component,
                ..
            } => {
                self.0.push(Level::Component(Scope::default()));
                let levels = self.0.len() as u64 - 1;
                at_most(
                    levels,
                    DECLARED.levels,
                    "levels of components within components",
                )
            }
            Payload::Version { .. } => {
                self.0.push(Level::Module);
                Ok(())
            }
            Payload::End(_) => {
                if let Some(Level::Component(ended)) = self.0.pop()
                    && let Some(around) = self.scope(0)
                {
                    around.known.push(ended.makes);
                }
                Ok(())
            }
            // What cannot be read is found by the validator.
            Payload::ComponentImportSection(section) => {
                let mut imports = section.clone().into_iter().flatten();
                let given =
                    imports.any(|import| matches!(import.ty, ComponentTypeRef::Component(_)));
                self.none_given(given)
            }
            Payload::ComponentAliasSection(section) => {
                let mut aliases = section.clone().into_iter().flatten();
                aliases.try_for_each(|alias| self.alias(&alias))
            }
            Payload::ComponentExportSection(section) => {
                for export in section.clone().into_iter().flatten() {
                    if export.kind == ComponentExternalKind::Component {
                        let makes = self.makes(0, export.index);
                        self.know(makes);
                    }
                }
                Ok(())
            }
            Payload::ComponentInstanceSection(section) => {
                let mut instances = section.clone().into_iter().flatten();
                instances.try_for_each(|instance| self.instance(&instance))
            }
            _ => Ok(()),
        }
    }

    /// The component so many levels out.
    fn scope(&mut self, out: usize) -> Option<&mut Scope> {
        match self.0.iter_mut().rev().nth(out)? {
            Level::Component(scope) => Some(scope),
            Level::Module => None,
        }
    }

    /// What a component makes that is known so many levels out; nothing where there is none, which the validator finds.
    fn makes(&mut self, out: usize, index: u32) -> u64 {
        let scope = self.scope(out);
        scope
            .and_then(|scope| scope.known.get(index as usize).copied())
            .unwrap_or(0)
    }

    fn know(&mut self, makes: u64) {
        if let Some(scope) = self.scope(0) {
            scope.known.push(makes);
        }
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>) -> Result<(), CheckError> {
        match alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Component,
                ..
            } => self.none_given(true),
            ComponentAlias::Outer {
                kind: ComponentOuterAliasKind::Component,
                count,
                index,
            } => {
                let makes = self.makes(*count as usize, *index);
                self.know(makes);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn instance(&mut self, instance: &ComponentInstance<'_>) -> Result<(), CheckError> {
        let ComponentInstance::Instantiate {
            component_index, ..
        } = instance
        else {
            return Ok(());
        };
        let makes = self.makes(0, *component_index).saturating_add(1);
        let Some(scope) = self.scope(0) else {
            return Ok(());
        };
        scope.makes = scope.makes.saturating_add(makes);
        at_most(
            scope.makes,
            DECLARED.instantiated,
            "components when instantiated",
        )
    }

    /// What a component makes that comes from elsewhere cannot be seen.
    fn none_given(&self, given: bool) -> Result<(), CheckError> {
        at_most(
            u64::from(given),
            0,
            "components that are given to components",
        )
    }
}
