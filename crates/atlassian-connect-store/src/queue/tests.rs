use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use tokio::sync::oneshot;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(50);

type Done = Arc<Mutex<Vec<u32>>>;

fn is_idle(queue: &WriteQueue) -> bool {
    queue.tenants.busy().is_empty()
}

async fn until_idle(queue: &WriteQueue) {
    let idle = async {
        while !is_idle(queue) {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, idle).await.unwrap();
}

/// A write that waits for a signal and then records that it is done.
fn held(done: &Done, number: u32) -> (oneshot::Sender<()>, impl FnOnce() -> BoxedWrite + use<>) {
    let (release, released) = oneshot::channel();
    let done = Arc::clone(done);
    let write = move || -> BoxedWrite {
        Box::pin(async move {
            released.await.unwrap();
            done.lock().push(number);
            Ok(number)
        })
    };
    (release, write)
}

type BoxedWrite = futures_util::future::BoxFuture<'static, Result<u32, StoreError>>;

/// A write that is done immediately.
fn prompt(done: &Done, number: u32) -> impl FnOnce() -> BoxedWrite + use<> {
    let (release, write) = held(done, number);
    release.send(()).unwrap();
    write
}

#[tokio::test]
async fn writes_of_one_tenant_come_in_order_and_others_do_not_wait() {
    let (queue, done) = (WriteQueue::new(), Done::default());
    let (release, first) = held(&done, 0);
    let mut first = Box::pin(queue.run("acme", None, first));
    assert!((&mut first).now_or_never().is_none());
    let mut later: Vec<_> = (1..50).map(|i| Box::pin(queue.run("acme", None, prompt(&done, i)))).collect();
    for write in &mut later {
        assert!(write.now_or_never().is_none());
    }
    assert_eq!(queue.run("other", None, prompt(&done, 100)).await.unwrap(), Some(100));
    release.send(()).unwrap();
    // polling in reverse order must not change the order of the writes
    later.reverse();
    let (first, _) = futures_util::future::join(first, join_all(later)).await;
    assert_eq!(first.unwrap(), Some(0));
    let expected: Vec<u32> = std::iter::once(100).chain(0..50).collect();
    assert_eq!(*done.lock(), expected);
    until_idle(&queue).await;
}

#[tokio::test]
async fn a_dropped_caller_cancels_its_waiting_write() {
    let (queue, done) = (WriteQueue::new(), Done::default());
    let (release, first) = held(&done, 0);
    let mut first = Box::pin(queue.run("acme", None, first));
    let mut second = Box::pin(queue.run("acme", None, prompt(&done, 1)));
    let mut third = Box::pin(queue.run("acme", None, prompt(&done, 2)));
    assert!((&mut first).now_or_never().is_none());
    assert!((&mut second).now_or_never().is_none() && (&mut third).now_or_never().is_none());
    drop(second);
    release.send(()).unwrap();
    assert_eq!(third.await.unwrap(), Some(2));
    assert_eq!(*done.lock(), [0, 2]);
}

/// The blocking pool and a server continue, whether or not anybody waits.
#[tokio::test]
async fn a_write_that_has_begun_is_waited_for_even_if_its_caller_is_gone() {
    let (queue, done) = (WriteQueue::new(), Done::default());
    let (release, first) = held(&done, 0);
    let mut first = Box::pin(queue.run("acme", None, first));
    assert!((&mut first).now_or_never().is_none());
    drop(first);
    let mut second = Box::pin(queue.run("acme", None, prompt(&done, 1)));
    for _ in 0..100 {
        assert!((&mut second).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!(*done.lock(), [0; 0]);
    release.send(()).unwrap();
    assert_eq!(second.await.unwrap(), Some(1));
    assert_eq!(*done.lock(), [0, 1]);
    until_idle(&queue).await;
}

#[tokio::test]
async fn the_write_hears_that_its_caller_is_gone() {
    let queue = WriteQueue::new();
    let (release, released) = oneshot::channel::<()>();
    let (tell, told) = oneshot::channel();
    let write = || async move {
        released.await.unwrap();
        tell.send(Attempt::current().commit().is_err()).unwrap();
        Ok(())
    };
    let mut first = Box::pin(queue.run("acme", None, write));
    assert!((&mut first).now_or_never().is_none());
    drop(first);
    release.send(()).unwrap();
    assert!(told.await.unwrap());
}

#[tokio::test]
async fn what_is_not_done_in_time_is_unavailable_and_not_done_later() {
    let (queue, done) = (WriteQueue::with_limit(SHORT), Done::default());
    let (tell, told) = oneshot::channel();
    let (release, released) = oneshot::channel::<()>();
    let slow = || async move {
        released.await.unwrap();
        tell.send(Attempt::current().commit().is_err()).unwrap();
        Ok(0)
    };
    let (slow, waiting) =
        futures_util::future::join(queue.run("acme", None, slow), queue.run("acme", None, prompt(&done, 1))).await;
    for outcome in [slow, waiting] {
        assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    }
    release.send(()).unwrap();
    assert!(told.await.unwrap(), "it must not commit now");
    until_idle(&queue).await;
    assert_eq!(*done.lock(), [0; 0]);
}

#[tokio::test]
async fn a_begun_commit_is_answered_with_its_outcome() {
    let queue = WriteQueue::with_limit(SHORT);
    let commits = || async {
        Attempt::current().commit()?;
        tokio::time::sleep(4 * SHORT).await;
        Ok(7)
    };
    assert_eq!(queue.run("acme", None, commits).await.unwrap(), Some(7));
}

#[tokio::test]
async fn a_later_request_that_is_done_has_overtaken_the_earlier_ones() {
    let (queue, done) = (WriteQueue::new(), Done::default());
    let [first, second, third] = [Arrival::now(), Arrival::now(), Arrival::now()];
    assert_eq!(queue.run("acme", Some(second), prompt(&done, 2)).await.unwrap(), Some(2));
    assert_eq!(queue.run("acme", Some(first), prompt(&done, 1)).await.unwrap(), None);
    assert_eq!(queue.run("other", Some(first), prompt(&done, 3)).await.unwrap(), Some(3));
    // a failed write has not replaced anything
    let failed = queue.run("other", Some(third), || async { Err::<u32, _>(StoreError::refused(String::new())) }).await;
    assert!(failed.is_err());
    assert_eq!(queue.run("other", Some(second), prompt(&done, 4)).await.unwrap(), Some(4));
    assert_eq!(queue.run("acme", Some(third), prompt(&done, 5)).await.unwrap(), Some(5));
    assert_eq!(*done.lock(), [2, 3, 4, 5]);
}

#[tokio::test]
async fn a_write_that_panics_ends_its_turn() {
    let (queue, done) = (WriteQueue::new(), Done::default());
    let panicked = queue.run("acme", None, || async { panic!("a bug in a store") }).await;
    assert!(matches!(panicked, Err::<Option<()>, _>(StoreError::Refused(_))), "{panicked:?}");
    assert_eq!(queue.run("acme", None, prompt(&done, 1)).await.unwrap(), Some(1));
    until_idle(&queue).await;
}

#[tokio::test]
async fn the_queue_of_a_tenant_is_bounded() {
    let queue = WriteQueue::with_limit(SHORT);
    let runs = AtomicUsize::new(0);
    let write = || {
        runs.fetch_add(1, Ordering::SeqCst);
        std::future::pending::<Result<(), StoreError>>()
    };
    let mut writes: Vec<_> = (0..QUEUED).map(|_| Box::pin(queue.run("acme", None, write))).collect();
    for write in &mut writes {
        assert!(write.now_or_never().is_none());
    }
    let refused = queue.run("acme", None, write).now_or_never().unwrap();
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    drop(writes);
    assert_eq!(runs.load(Ordering::SeqCst), 1);
    assert_eq!(queue.tenants.busy()["acme"].length, 1, "the running one");
}
