// SPDX-License-Identifier: Apache-2.0
// Loaded before a Node server that has no option for its address: whatever it listens on is loopback.
const net = require("node:net");
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (first, ...rest) {
  const options = typeof first === "object" ? first : { port: first };
  return listen.call(this, { ...options, host: "127.0.0.1" }, rest.find((r) => typeof r === "function"));
};
