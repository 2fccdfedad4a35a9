title = Erinnerungen
state = { $days ->
    [0] Niemand wird erinnert.
    [one] Nach einem Tag wird erinnert, wer zuständig ist.
   *[other] Nach { $days } Tagen wird erinnert, wer zuständig ist.
}
days = Tage
save = Speichern
not-a-number = „{ $typed }“ ist keine ganze Zahl von 0 bis 255.
