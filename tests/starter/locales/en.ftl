title = Reminders
state = { $days ->
    [0] Nobody is reminded.
    [one] The assignee is reminded after one day.
   *[other] The assignee is reminded after { $days } days.
}
days = Days
save = Save
not-a-number = “{ $typed }” is not a whole number from 0 to 255.
