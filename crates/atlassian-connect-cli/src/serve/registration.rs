//! The registration with sites while the add-on serves, and its end.

use std::rc::Rc;

use crate::registration::Registrar;
use atlassian_connect_actix::Addon;
use atlassian_connect_actix::internal::panics;

/// Registers the add-on with its sites and follows its descriptor in the background. The future is to be awaited before
/// the add-on stops: it takes the add-on away from the sites, which tell the add-on so by a request.
pub(super) fn start(addon: &Addon, has_tunnel: bool) -> impl Future<Output = ()> + 'static {
    let registrar = Rc::new(Registrar::new(addon.shared_state()));
    let background = actix_web::rt::spawn(register(Rc::clone(&registrar), addon.clone(), has_tunnel));
    async move {
        // what registers now would be there after the stop
        background.abort();
        let _ = background.await;
        if let Err(panic) = panics::caught(registrar.deregister()).await {
            tracing::error!(%panic, "the add-on could not be deregistered");
        }
    }
}

async fn register(registrar: Rc<Registrar>, addon: Addon, has_tunnel: bool) {
    let registration = async {
        if has_tunnel {
            registrar.tell_of_tunnel().await;
        }
        registrar.register().await;
        registrar.follow(addon.descriptor_file()).await;
    };
    // a transformer of the descriptor may panic
    if let Err(panic) = panics::caught(registration).await {
        tracing::error!(%panic, "the add-on is not registered any more when its descriptor changes");
    }
}
