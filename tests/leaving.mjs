// A page that goes away while it is asked: the answer of the last call may be lost with it.

const GONE = /Frame was detached|Execution context was destroyed|Target page, context or browser has been closed/;

/**
 * Runs in the frame what takes the frame or its page away. Whether it answers before it goes is a race; what the test
 * waits for next says that it has gone.
 */
export async function leave(frame, run, argument) {
  await frame.evaluate(run, argument).catch((error) => {
    if (!GONE.test(error.message)) throw error;
  });
}
