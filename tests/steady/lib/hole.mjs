// A way to a server that can be blocked: connections stay open, new ones are accepted, but no byte arrives any more. The
// other side's system still acknowledges what is sent, so nobody can tell it from a server that takes its time.
import net from 'node:net';

export class Hole {
  #pairs = new Set();
  #isBlocked = false;

  static to(port) {
    const hole = new Hole();
    const server = net.createServer({ pauseOnConnect: true }, client => hole.#connect(client, port));
    return new Promise(resolve => server.listen(0, '127.0.0.1', () => {
      hole.port = server.address().port;
      hole.close = () => {
        server.close();
        for (const [client] of hole.#pairs) client.destroy();
      };
      resolve(hole);
    }));
  }

  #connect(client, port) {
    const server = net.connect(port, '127.0.0.1');
    const pair = [client, server];
    this.#pairs.add(pair);
    const pipe = (from, to) => {
      from.on('data', data => to.write(data)).on('end', () => to.end());
      from.on('error', () => to.destroy()).on('close', () => {
        to.destroy();
        this.#pairs.delete(pair);
      });
    };
    pipe(client, server);
    pipe(server, client);
    if (this.#isBlocked) server.pause();
    else client.resume();
  }

  get connections() {
    return this.#pairs.size;
  }

  block() {
    this.#isBlocked = true;
    for (const socket of [...this.#pairs].flat()) socket.pause();
  }

  unblock() {
    this.#isBlocked = false;
    for (const socket of [...this.#pairs].flat()) socket.resume();
  }
}
