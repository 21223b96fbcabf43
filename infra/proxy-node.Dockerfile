# One proxy node. Built from the repository's root; configured by KAFKA_REST_* variables or a mounted
# .properties file: docker run … proxy-node /etc/kafka-rest/proxy-node.properties
FROM node:24-slim
ENV NODE_ENV=production NODE_COMPILE_CACHE=/var/cache/node
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force && install -d -o node -g node /var/cache/node
COPY shared ./shared
COPY proxy-node ./proxy-node
USER node
EXPOSE 8083 8093
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8093/health').then(a => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]
# No npm in between: SIGTERM reaches the process, which drains and ends.
ENTRYPOINT ["node", "--max-semi-space-size=16", "--heap-growing-percent=50", "proxy-node/main.ts"]
