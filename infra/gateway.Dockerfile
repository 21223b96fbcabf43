# One gateway. Built from the repository's root; configured by KAFKA_REST_* variables or a mounted
# .properties file: docker run … gateway /etc/kafka-rest/gateway.properties
FROM node:24-slim
ENV NODE_ENV=production NODE_COMPILE_CACHE=/var/cache/node
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev && npm cache clean --force && install -d -o node -g node /var/cache/node
COPY shared ./shared
COPY gateway ./gateway
# The operators' command: docker exec … kafka-rest-gateway status
COPY infra/cli ./infra/cli
RUN ln -s /app/infra/cli/kafka-rest-gateway.mjs /usr/local/bin/kafka-rest-gateway
USER node
EXPOSE 8082 8092
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8092/health').then(a => process.exit(a.ok ? 0 : 1), () => process.exit(1))"]
# No npm in between: SIGTERM reaches the process, which drains and ends.
ENTRYPOINT ["node", "--max-semi-space-size=16", "--heap-growing-percent=50", "gateway/main.ts"]
