"""DNS: the server must answer what is right, with authority."""

import asyncio

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from exporters.uptime.outcome import Outcome, ProbeError, Reason
from exporters.uptime.probes.limits import Limits
from exporters.uptime.states import Seen
from exporters.uptime.targets import Question, Target


async def answers(target: Target, limits: Limits) -> Outcome:
    """Ask the target's servers, one after the other, until one answers."""
    question = target.question
    if question is None:
        raise TypeError(f"{target.id} asks nothing")
    silent: Exception = ProbeError(Reason.TIMEOUT, "no server answers")
    for address in target.addresses:
        try:
            async with asyncio.timeout(limits.total_s / len(target.addresses)):
                answer = await _ask(question, str(address), target.port)
        except (OSError, dns.exception.Timeout, EOFError) as error:
            silent = error if isinstance(error, OSError) else silent
            continue
        except dns.exception.DNSException as error:
            raise ProbeError(Reason.PROTOCOL, f"{address}: {error}") from None
        _judge(question, str(address), answer)
        return Outcome(Seen.GOOD)
    raise silent


async def _ask(question: Question, address: str, port: int) -> dns.message.Message:
    query = dns.message.make_query(question.name, question.record, flags=0)
    ask = dns.asyncquery.udp if question.transport == "udp" else dns.asyncquery.tcp
    return await ask(query, address, port=port)


def _judge(question: Question, address: str, answer: dns.message.Message) -> None:
    """Raise ProbeError if the answer is not right."""
    if answer.rcode() != dns.rcode.NOERROR:
        raise ProbeError(Reason.ANSWER, f"{address}: {dns.rcode.to_text(answer.rcode())}")
    kind = dns.rdatatype.from_text(question.record)
    found = {
        item.to_text() for several in answer.answer if several.rdtype == kind for item in several
    }
    if not answer.flags & dns.flags.AA:
        raise ProbeError(Reason.ANSWER, f"{address}: answers without authority")
    if not found or (question.answers and found != question.answers):
        said = ", ".join(sorted(found)) or "nothing"
        raise ProbeError(Reason.ANSWER, f"{address}: {question.name} is {said[:200]}")
