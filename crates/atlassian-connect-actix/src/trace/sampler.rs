//! Decides which requests are traced.

use opentelemetry::trace::{Link, SpanKind, TraceContextExt as _, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{
    IdGenerator as _, RandomIdGenerator, Sampler, SamplingDecision, SamplingResult, ShouldSample,
};

use crate::config::Sampling;

/// The configured share of all requests, whatever the callers say: a caller can turn tracing off for its request, if the
/// configuration allows that, but not on. OpenTelemetry's `ParentBased` would trace each request whose caller says so,
/// and its ratio is a function of the trace id, which the caller chooses; so the decision about the request of a caller
/// that names a trace is drawn.
#[derive(Debug, Clone)]
pub(super) struct RequestSampler {
    share: Sampler,
    heeds_caller: bool,
}

impl RequestSampler {
    pub(super) fn new(sampling: Sampling) -> Self {
        Self { share: Sampler::TraceIdRatioBased(sampling.share), heeds_caller: sampling.heeds_caller }
    }
}

impl ShouldSample for RequestSampler {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        span_kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let parent = parent_context.filter(|context| context.has_active_span());
        let parent = parent.map(|context| context.span().span_context().clone());
        let decided = |is_sampled: bool| {
            if is_sampled { SamplingDecision::RecordAndSample } else { SamplingDecision::Drop }
        };
        let drawn = |id| self.share.should_sample(None, id, name, span_kind, attributes, links).decision;
        let decision = match &parent {
            // a request is traced as a whole
            Some(ours) if !ours.is_remote() => decided(ours.is_sampled()),
            Some(callers) if self.heeds_caller && !callers.is_sampled() => SamplingDecision::Drop,
            Some(_) => drawn(RandomIdGenerator::default().new_trace_id()),
            None => drawn(trace_id),
        };
        let trace_state = parent.map(|parent| parent.trace_state().clone()).unwrap_or_default();
        SamplingResult { decision, attributes: Vec::new(), trace_state }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::{SpanContext, SpanId, TraceFlags, TraceState};

    /// How many of a thousand spans below `parent` are traced; all have the same trace id, which an even ratio takes.
    fn traced(share: f64, heeds_caller: bool, parent: Option<(bool, bool)>) -> usize {
        let sampler = RequestSampler::new(Sampling { share, heeds_caller });
        let id = TraceId::from(1);
        let context = parent.map(|(is_remote, is_sampled)| {
            let flags = if is_sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
            let span = SpanContext::new(id, SpanId::from(1), flags, is_remote, TraceState::default());
            Context::new().with_remote_span_context(span)
        });
        let one = || sampler.should_sample(context.as_ref(), id, "", &SpanKind::Server, &[], &[]).decision;
        (0..1000).filter(|_| one() == SamplingDecision::RecordAndSample).count()
    }

    #[test]
    fn a_caller_cannot_turn_tracing_on() {
        let (sampled, refused) = (Some((true, true)), Some((true, false)));
        for heeds_caller in [true, false] {
            assert_eq!(traced(0.0, heeds_caller, sampled), 0);
            assert_eq!(traced(1.0, heeds_caller, sampled), 1000);
            let some = traced(0.1, heeds_caller, sampled);
            assert!((20..300).contains(&some), "{some} of 1000, although the trace id is within the ratio");
            assert_eq!(traced(0.1, heeds_caller, None), 1000, "our own trace ids are random");
        }
        assert_eq!(traced(1.0, true, refused), 0);
        assert_eq!(traced(1.0, false, refused), 1000);
        assert_eq!(traced(0.0, false, refused), 0);
    }

    #[test]
    fn the_spans_of_a_request_are_traced_with_it() {
        for heeds_caller in [true, false] {
            assert_eq!(traced(0.0, heeds_caller, Some((false, true))), 1000);
            assert_eq!(traced(1.0, heeds_caller, Some((false, false))), 0);
        }
    }
}
