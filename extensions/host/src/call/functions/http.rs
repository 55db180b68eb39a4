//! `http`: a request is put together here, checked when it is sent, and sent by the host.

use std::time::Instant;

use wasmtime::component::Resource;

use crate::bindings::tidings::extension::config::Secret;
use crate::bindings::tidings::extension::http::{
    Host, HostRequest, HostResponse, HttpError, Request, Response,
};
use crate::call::{LEAST_TIMEOUT, State, left_ms};
use crate::host::{self, Header};
use crate::limits::{HTTP_BODY_BYTES, HTTP_HEADERS, HTTP_REQUESTS, HTTP_URL_BYTES};

/// How long a request may take if not said otherwise, in milliseconds.
const TIMEOUT_MS: u32 = 5_000;
/// Bytes of the longest method there is a use for.
const METHOD_BYTES: usize = 16;

impl State {
    /// The request, unless it was sent: then what is added is for nothing, and `send` says so.
    fn request(
        &mut self,
        request: &Resource<Request>,
    ) -> wasmtime::Result<Option<&mut host::Request>> {
        self.enter()?;
        Ok(self.requests.get(request, "request")?.as_mut())
    }

    fn response(&mut self, response: &Resource<Response>) -> wasmtime::Result<&host::Response> {
        self.enter()?;
        Ok(self.responses.get(response, "response")?)
    }

    /// What is to be sent, or why not.
    fn sendable(
        &mut self,
        request: &Resource<Request>,
    ) -> wasmtime::Result<Result<host::Request, HttpError>> {
        self.enter()?;
        let left = left_ms(self.deadline).max(LEAST_TIMEOUT.as_millis() as u32);
        let acts = self.acts();
        let taken = self.requests.get(request, "request")?.take();
        let Some(mut request) = taken else {
            return Ok(Err(HttpError::Invalid("sent already".to_owned())));
        };
        if let Err(refusal) = acts {
            return Ok(Err(HttpError::Denied(refusal.to_string())));
        }
        if let Err(why) = check(&request) {
            return Ok(Err(HttpError::Invalid(why)));
        }
        self.used.requests += 1;
        if self.used.requests > HTTP_REQUESTS {
            return Ok(Err(HttpError::Exhausted(format!(
                "{HTTP_REQUESTS} requests"
            ))));
        }
        request.timeout_ms = request.timeout_ms.min(left);
        Ok(Ok(request))
    }
}

fn check(request: &host::Request) -> Result<(), String> {
    let method = &request.method;
    if !(1..=METHOD_BYTES).contains(&method.len())
        || !method.bytes().all(|byte| byte.is_ascii_uppercase())
    {
        return Err("the method is not like `GET`".to_owned());
    }
    let url = &request.url;
    if url.len() > HTTP_URL_BYTES {
        return Err(format!("the address has more than {HTTP_URL_BYTES} bytes"));
    }
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err("the address does not begin with https://".to_owned());
    }
    let (headers, bytes) = HTTP_HEADERS;
    if request.headers.len() > headers {
        return Err(format!("more than {headers} headers"));
    }
    let size = |(name, value): &(String, Header)| {
        let value = match value {
            Header::Text(text) => text.len(),
            Header::Secret { prefix, .. } => prefix.len(),
        };
        name.len() + value
    };
    if request.headers.iter().map(size).sum::<usize>() > bytes {
        return Err(format!("headers of more than {bytes} bytes"));
    }
    if request
        .body
        .as_ref()
        .is_some_and(|body| body.len() > HTTP_BODY_BYTES)
    {
        return Err(format!("a body of more than {HTTP_BODY_BYTES} bytes"));
    }
    Ok(())
}

impl Host for State {}

impl HostRequest for State {
    fn new(&mut self, method: String, url: String) -> wasmtime::Result<Resource<Request>> {
        self.enter()?;
        // What is kept until the call ends counts, whatever it is for.
        self.give(method.len() + url.len())?;
        Ok(self.requests.add(Some(host::Request {
            method,
            url,
            headers: Vec::new(),
            body: None,
            timeout_ms: TIMEOUT_MS,
        })))
    }

    fn header(
        &mut self,
        request: Resource<Request>,
        name: String,
        value: String,
    ) -> wasmtime::Result<()> {
        self.give(name.len() + value.len())?;
        if let Some(request) = self.request(&request)? {
            request.headers.push((name, Header::Text(value)));
        }
        Ok(())
    }

    fn secret_header(
        &mut self,
        request: Resource<Request>,
        name: String,
        prefix: String,
        secret: Secret,
    ) -> wasmtime::Result<()> {
        self.give(name.len() + prefix.len())?;
        // One that was not given is a name that the host knows no secret of: sending is then refused.
        let secret = self
            .secrets
            .get(secret as usize)
            .cloned()
            .unwrap_or_default();
        if let Some(request) = self.request(&request)? {
            request
                .headers
                .push((name, Header::Secret { prefix, secret }));
        }
        Ok(())
    }

    fn body(&mut self, request: Resource<Request>, bytes: Vec<u8>) -> wasmtime::Result<()> {
        self.give(bytes.len())?;
        if let Some(request) = self.request(&request)? {
            request.body = Some(bytes);
        }
        Ok(())
    }

    fn timeout(&mut self, request: Resource<Request>, ms: u32) -> wasmtime::Result<()> {
        if let Some(request) = self.request(&request)? {
            request.timeout_ms = ms;
        }
        Ok(())
    }

    async fn send(
        &mut self,
        request: Resource<Request>,
    ) -> wasmtime::Result<Result<Resource<Response>, HttpError>> {
        let request = match self.sendable(&request)? {
            Ok(request) => request,
            Err(error) => return Ok(Err(error)),
        };
        let answer = self.host.http(request).await;
        // Waiting is not interrupted by ticks: whoever waited too long ends here rather than at the next one.
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            return Err(crate::call::Stop::Deadline.into());
        }
        match answer {
            Ok(response) => {
                let headers = response.headers.iter();
                let headers: usize = headers.map(|(name, value)| name.len() + value.len()).sum();
                self.give(headers)?;
                Ok(Ok(self.responses.add(response)))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn drop(&mut self, request: Resource<Request>) -> wasmtime::Result<()> {
        self.requests.remove(&request);
        Ok(())
    }
}

impl HostResponse for State {
    fn status(&mut self, response: Resource<Response>) -> wasmtime::Result<u16> {
        Ok(self.response(&response)?.status)
    }

    fn header(
        &mut self,
        response: Resource<Response>,
        name: String,
    ) -> wasmtime::Result<Option<String>> {
        let mut headers = self.response(&response)?.headers.iter();
        let value = headers.find(|(has, _)| has.eq_ignore_ascii_case(&name));
        let value = value.map(|(_, value)| value.clone());
        self.give(value.as_ref().map_or(0, String::len))?;
        Ok(value)
    }

    fn body(&mut self, response: Resource<Response>) -> wasmtime::Result<Vec<u8>> {
        let body = self.response(&response)?.body.clone();
        self.give(body.len())?;
        Ok(body)
    }

    fn drop(&mut self, response: Resource<Response>) -> wasmtime::Result<()> {
        self.responses.remove(&response);
        Ok(())
    }
}

impl From<host::HttpError> for HttpError {
    fn from(error: host::HttpError) -> Self {
        match error {
            host::HttpError::Denied(why) => Self::Denied(why),
            host::HttpError::Invalid(why) => Self::Invalid(why),
            host::HttpError::Exhausted(why) => Self::Exhausted(why),
            host::HttpError::Timeout => Self::Timeout,
            host::HttpError::TooLarge => Self::TooLarge,
            host::HttpError::CircuitOpen => Self::CircuitOpen,
            host::HttpError::Transport(why) => Self::Transport(why),
        }
    }
}
