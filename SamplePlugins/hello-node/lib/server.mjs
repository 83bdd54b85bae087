// Answers HTTP on the socket that the host has made: descriptor 3.
import { createServer } from "node:http";

const answers = {
  "/health": { healthy: true },
  "/hello": { message: "Hello, World!" },
};

const server = createServer((request, response) => {
  const answer = answers[request.url];
  response.writeHead(answer ? 200 : 404, { "content-type": "application/json" });
  response.end(JSON.stringify(answer ?? { error: "there is only /hello" }));
});

process.on("SIGTERM", () => server.close(() => process.exit(0)));
server.listen({ fd: 3 }, () => console.log("hello-node serves"));
