//! A replacement for a request that a panic has destroyed.
//!
//! actix's router needs the only reference to a request, so only copies of its parts can be kept.

use std::net::SocketAddr;

use actix_web::HttpMessage as _;
use actix_web::dev::ServiceRequest;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, Uri, Version};
use actix_web::test::TestRequest;
use actix_web::web;
use tracing_actix_web::RequestId;

use super::span::Arrival;
use crate::state::State;

/// The parts of a request that its answer may need.
pub(super) struct StandIn {
    method: Method,
    uri: Uri,
    version: Version,
    /// A list: a map uses several times the memory, for as long as the request waits for its body.
    headers: Vec<(HeaderName, HeaderValue)>,
    peer: Option<SocketAddr>,
    id: Option<RequestId>,
    arrival: Option<Arrival>,
}

impl StandIn {
    pub(super) fn of(request: &ServiceRequest) -> Self {
        let (head, extensions) = (request.head(), request.extensions());
        Self {
            method: head.method.clone(),
            uri: head.uri.clone(),
            version: head.version,
            headers: head.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            peer: head.peer_addr,
            id: extensions.get().copied(),
            arrival: extensions.get().copied(),
        }
    }

    /// A request with the same head and id. No route has matched it, and it is not authenticated.
    pub(super) fn to_request(&self, state: &web::Data<State>) -> ServiceRequest {
        // actix has only this way to make a request
        let mut request = TestRequest::default().app_data(state.clone()).to_srv_request();
        request.match_info_mut().get_mut().update(&self.uri);
        let head = request.head_mut();
        head.method = self.method.clone();
        head.uri = self.uri.clone();
        head.version = self.version;
        head.headers.clear();
        for (name, value) in &self.headers {
            head.headers.append(name.clone(), value.clone());
        }
        head.peer_addr = self.peer;
        let mut extensions = request.extensions_mut();
        if let Some(id) = self.id {
            extensions.insert(id);
        }
        if let Some(arrival) = self.arrival {
            extensions.insert(arrival);
        }
        drop(extensions);
        request
    }
}
