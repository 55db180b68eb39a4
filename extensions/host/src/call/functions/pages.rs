//! `pages`: the people that a ranker orders.

use wasmtime::component::Resource;

use crate::bindings::tidings::extension::pages::{Host, HostPage, Page};
use crate::bindings::tidings::extension::types;
use crate::call::{State, Stop, Subject};
use crate::input::{self, Person};

impl State {
    fn page(&mut self) -> wasmtime::Result<&input::Page> {
        self.enter()?;
        match &self.subject {
            Subject::Page(page) => Ok(page),
            _ => Err(Stop::Handle("page").into()),
        }
    }

    fn person(&mut self, index: u32) -> wasmtime::Result<&Person> {
        let people = &self.page()?.people;
        people
            .get(index as usize)
            .ok_or_else(|| Stop::Index(index).into())
    }
}

impl Host for State {}

impl HostPage for State {
    fn query(&mut self, _: Resource<Page>) -> wasmtime::Result<String> {
        let query = self.page()?.query.clone();
        self.give(query.len())?;
        Ok(query)
    }

    fn viewer(&mut self, _: Resource<Page>) -> wasmtime::Result<Option<String>> {
        let viewer = self.page()?.viewer.clone();
        self.give(viewer.as_ref().map_or(0, String::len))?;
        Ok(viewer)
    }

    fn len(&mut self, _: Resource<Page>) -> wasmtime::Result<u32> {
        Ok(u32::try_from(self.page()?.people.len()).unwrap_or(u32::MAX))
    }

    fn user(&mut self, _: Resource<Page>, index: u32) -> wasmtime::Result<String> {
        let user = self.person(index)?.user.clone();
        self.give(user.len())?;
        Ok(user)
    }

    fn score(&mut self, _: Resource<Page>, index: u32) -> wasmtime::Result<f32> {
        Ok(self.person(index)?.score)
    }

    fn presence(
        &mut self,
        _: Resource<Page>,
        index: u32,
    ) -> wasmtime::Result<types::PresenceState> {
        Ok(self.person(index)?.presence.into())
    }

    fn distance(&mut self, _: Resource<Page>, index: u32) -> wasmtime::Result<Option<f64>> {
        Ok(self.person(index)?.distance)
    }

    fn attribute(
        &mut self,
        _: Resource<Page>,
        index: u32,
        name: String,
    ) -> wasmtime::Result<Option<String>> {
        let mut attributes = self.person(index)?.attributes.iter();
        let value = attributes.find(|(has, _)| *has == name);
        let value = value.map(|(_, value)| value.clone());
        self.give(value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }

    fn set_score(&mut self, _: Resource<Page>, index: u32, score: f32) -> wasmtime::Result<()> {
        self.person(index)?;
        if !score.is_finite() {
            return Err(Stop::Infinite.into());
        }
        self.said.scores.insert(index as usize, score);
        Ok(())
    }

    fn drop(&mut self, _: Resource<Page>) -> wasmtime::Result<()> {
        Ok(())
    }
}
