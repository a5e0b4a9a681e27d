"""What happens on connections, told to whoever listens, such as the metrics.

Signals, because what stands further right in the flow may listen, and nothing here may know it.
A listener that fails costs a line in the log and nothing else: all are sent with `send_robust`.
"""

from django.dispatch import Signal

# One attempt to reach the server. seconds: float, error: Exception | None
connect_tried = Signal()
# A request waited for a connection of the pool. seconds: float, error: Exception | None
pool_waited = Signal()
# alias: str, end: "commit", "rollback" or "failed", seconds: float
transaction_ended = Signal()
# Something is about to be tried again. what: "connect", "read" or "serializable"
tried_again = Signal()
# The outermost answer. request, response, seconds: float
request_answered = Signal()
# Secrets were masked in what would have left the process. kind: "known" or "form", count: int
redacted = Signal()
