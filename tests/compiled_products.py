"""Products with the Jacobian of two networks of one shape through the compiler, without the code that it would make."""

from functools import partial

import torch

from lgm_core.backbones.students.networks import StudentShape, build_student
from lgm_core.backbones.students.parameters import flatten
from lgm_core.base.interfaces import generator
from lgm_core.methods.rcig.linearised import Frozen, Jacobian

torch.set_num_threads(1)
compile_really = torch.compile


def traced(product, **how):
    print(product.__name__)
    return compile_really(product, backend="eager", dynamic=how["dynamic"], fullgraph=True)


torch.compile = traced  # type: ignore[assignment]
student = build_student(StudentShape(side=8, channels=1, classes=3, width=2, norm="batch"), random=generator("cpu", 5))
draw = partial(torch.randn, generator=generator("cpu", 1))
images, outputs = draw(4, 1, 8, 8), draw(4, 3)
for factor in (1.0, 2.0):
    one, other = (
        Jacobian(Frozen(student, factor * flatten(student), dict(student.named_buffers()), compiled=yes), images)
        for yes in (True, False)
    )
    vector = draw(one._frozen.size)
    torch.testing.assert_close(one.times(vector), other.times(vector))
    torch.testing.assert_close(one.transposed(outputs), other.transposed(outputs))
assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2, "a trace for each network"
