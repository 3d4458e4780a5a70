"""REST: routes made from the operations, problem documents, OpenAPI, health and metrics."""
