class Layout(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
  a : __torch__.torch.nn.modules.linear.Linear
  b : __torch__.torch.nn.modules.linear.___torch_mangle_0.Linear
  def forward(self: __torch__.Layout,
    x: Tensor) -> Tensor:
    b = self.b
    a = self.a
    _0 = torch.view((a).forward(x, ), [-1, 3, 2, 2])
    _1 = torch.flatten(torch.transpose(_0, 1, 2), 1)
    q, k, v, = torch.chunk(_1, 3, 1)
    _2 = torch.roll(q, [1], [1])
    _3 = torch.flip(k, [1])
    _4 = torch.slice(v, 0, 0, 9223372036854775807)
    _5 = torch.slice(_4, 1, 0, 9223372036854775807, 2)
    _6 = torch.slice(v, 0, 0, 9223372036854775807)
    _7 = torch.slice(_6, 1, 1, 9223372036854775807, 2)
    input = torch.cat([_2, _3, _5, _7], 1)
    _8 = torch.split_with_sizes((b).forward(input, ), [2, 4], 1)
    p, r, = _8
    _9 = torch.repeat(p, [1, 2])
    _10, _11, _12, _13, = torch.unbind(r, 1)
    _14 = torch.slice(_10, 0, 0, 9223372036854775807)
    _15 = torch.add(_9, torch.unsqueeze(_14, 1))
    _16 = torch.slice(r, 0, 0, 9223372036854775807)
    _17 = torch.add(_15, torch.slice(_16, 1, 0, 4))
    return _17
