/** What `--help` prints. */
export const CLI_USAGE = `kafka-rest-gateway: looks at and steers a gateway and its proxy nodes, over the gateway's admin listener.

  kafka-rest-gateway status                            the gateway itself
  kafka-rest-gateway nodes                             the proxy nodes
  kafka-rest-gateway placements [--node ID] [--group G]
                                                       which node has which consumer instance
  kafka-rest-gateway drain NODE [--wait] [--timeout s] takes a node out of service; --wait until it is drained
  kafka-rest-gateway undrain NODE                      takes it back into service
  kafka-rest-gateway evict GROUP INSTANCE              ends a consumer instance
  kafka-rest-gateway token NAME                        draws a token for an operator; asks no gateway

Options
  --url URL          admin address of the gateway (else GATEWAY_ADMIN_URL, else http://127.0.0.1:8092)
  --token-file FILE  file with the operator's token, - for standard input (else the variable GATEWAY_ADMIN_TOKEN)
  --node ID          placements: only of this node
  --group GROUP      placements: only of this group
  --limit N          placements: at most N in all (default 1000)
  --wait             drain: until the node holds no consumer instance any more
  --timeout SECONDS  drain --wait: gives up waiting after this time (default 120); the node goes on draining
  --json             JSON instead of tables
  --help             this text

Exit codes
  0  done
  1  the gateway refused, or it failed
  2  wrong usage
  3  the gateway cannot be reached
  4  drain --wait: the node is not drained in time, still holds instances, or was taken back`
