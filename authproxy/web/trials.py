"""What rules on trial (`enforce: false`) would have refused is counted and logged; the record has it already."""

import logging
from typing import Final

from authproxy.audit import Origin
from authproxy.domain.policy import Admission
from authproxy.web.metrics import Metrics

log: Final = logging.getLogger("authproxy.trials")


def note(metrics: Metrics, origin: Origin, admission: Admission) -> None:
    """Tell the operator what a rule on trial would have refused; nothing where none would."""
    for denial in admission.would_refuse:
        metrics.would_refuse.labels(denial.code).inc()
    if admission.would_refuse:
        extra = {"request_id": origin.request_id, "reason": admission.remark}
        log.warning("a rule on trial would refuse this", extra=extra)
