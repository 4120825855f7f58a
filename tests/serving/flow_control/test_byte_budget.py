from serving.flow_control.byte_budget import ByteBudget


def test_room_is_what_the_fullest_connection_and_all_together_have_left():
    budget = ByteBudget(100, 40, "messages")
    assert budget.has_room(40)
    assert not budget.has_room(41)
    budget.take(30, "a")
    assert budget.has_room(10)
    assert not budget.has_room(11)
    budget.take(35, "b")
    budget.take(30, "c")
    assert budget.has_room(5)
    assert not budget.has_room(6)
    for size, peer in ((30, "a"), (35, "b"), (30, "c")):
        budget.release(size, peer)
    assert budget.has_room(40)
