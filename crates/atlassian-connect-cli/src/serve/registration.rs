//! The registration with sites while the add-on serves, and the deregistration.

use std::rc::Rc;

use crate::registration::Registrar;
use atlassian_connect_actix::Addon;
use atlassian_connect_actix::internal::panics;

/// Registers the add-on with its sites and follows its descriptor in the background. Await the future before the add-on
/// stops: it deregisters, and the sites send the add-on a request then.
pub(super) fn start(addon: &Addon, has_tunnel: bool) -> impl Future<Output = ()> + 'static {
    let registrar = Rc::new(Registrar::new(addon.shared_state()));
    let background = actix_web::rt::spawn(register(Rc::clone(&registrar), addon.clone(), has_tunnel));
    async move {
        // a registration that is still running would remain after the stop
        background.abort();
        let _ = background.await;
        if let Err(panic) = panics::caught(registrar.deregister()).await {
            tracing::error!(%panic, "the add-on could not be deregistered");
        }
    }
}

async fn register(registrar: Rc<Registrar>, addon: Addon, has_tunnel: bool) {
    // `forge install` brings it to a site
    if addon.state().descriptor().is_of_forge() {
        return;
    }
    let registration = async {
        if has_tunnel {
            registrar.tell_of_tunnel().await;
        }
        registrar.register().await;
        registrar.follow(addon.descriptor_file()).await;
    };
    // the descriptor's transformer may panic
    if let Err(panic) = panics::caught(registration).await {
        tracing::error!(%panic, "the add-on is no longer registered again when its descriptor changes");
    }
}
