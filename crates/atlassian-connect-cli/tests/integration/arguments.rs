//! `--help`, and arguments that are wrong.

use crate::command::Workplace;

#[test]
fn the_help_is_there_and_says_what_there_is() {
    let help = Workplace::empty().run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(help.stdout, @r#"
    An add-on for Jira and Confluence

    Usage: fixture [COMMAND]

    Commands:
      serve       Serve the add-on (the default)
      migrate     Bring the store's tables to this version, as Heroku's release phase does; tell or take back the steps
      descriptor  Print the descriptor as it is served, or check it
      forge       Make a Forge manifest of the descriptor
      tenants     List the tenants of the store, show or remove one, purge those that are gone, encrypt the store
      token       Print a URL of the add-on, signed as a tenant's host signs it (development only)
      doctor      Check configuration, base URL, store, descriptor, network and clock, and say what helps
      help        Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Examples (where it is deployed, the binary stands in place of `cargo run --`):
      cargo run                                                   serve in development, on SQLite
      cargo run -- tenants list --json                            every tenant of the store, for a script
      curl -i "$(cargo run -q -- token '/hello-world?lang=en')"   open a page as the site that has the add-on
      cargo run -- doctor                                         what is wrong here, and what helps

    Environment:
      APP_ENV, else NODE_ENV    the environment: development (the default), test, production, or one of config.json
      DB_URL, DATABASE_URL      the store
      AC_LOCAL_BASE_URL, PORT   the URL that sites reach the add-on by, and the port that it listens on
      RUST_LOG                  what is logged; commands other than serve and migrate log nothing without it
      The README lists all variables, and the keys of config.json that they set.

    Exit codes:
      0  done
      1  it failed, doctor found problems, or the descriptor has errors or does not fit into a Forge manifest
      2  the arguments are wrong, or are not enough
    "#);
}

#[test]
fn each_command_has_its_help() {
    let place = Workplace::empty();
    for command in [
        &["serve"][..],
        &["migrate"],
        &["descriptor"],
        &["forge"],
        &["forge", "manifest"],
        &["tenants"],
        &["tenants", "list"],
        &["tenants", "show"],
        &["tenants", "remove"],
        &["tenants", "purge"],
        &["tenants", "encrypt"],
        &["tenants", "decrypt"],
        &["token"],
        &["doctor"],
    ] {
        let help = place.run(&[command, &["--help"]].concat());
        assert_eq!((help.code, help.stderr.as_str()), (0, ""), "{command:?}");
        assert!(help.stdout.contains(&format!("Usage: fixture {}", command.join(" "))), "{help:?}");
    }
    insta::assert_snapshot!(place.run(&["token", "--help"]).stdout, @r#"
    Print a URL of the add-on, signed as a tenant's host signs it (development only)

    Usage: fixture token [OPTIONS] <path>

    Arguments:
      <path>  What to open, below the base URL; a query is signed with it: /hello-world?lang=en

    Options:
          --client-key <clientKey>  The tenant whose host signs; needed where the store has several
          --user <accountId>        The account id of the user who looks at the page; without one it is anonymous
          --method <METHOD>         The method that the URL is for [default: GET]
          --context <JSON>          The context claim: a JSON object, as in {"jira":{"issue":{"key":"JRA-1"}}}
          --context-qsh             Bind the token to no URL, as `AP.context.getToken` does
      -h, --help                    Print help
    "#);
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn wrong_arguments_are_two() {
    let place = Workplace::empty();
    for arguments in [
        &["sever"][..],
        &["serve", "--port", "1"],
        &["forge"],
        &["forge", "manifest", "--force"],
        &["forge", "manifest", "--check", "--output", "manifest.yml"],
        &["tenants"],
        &["tenants", "show"],
        &["tenants", "list", "x"],
        &["tenants", "purge"],
        &["tenants", "purge", "--older-than", "90"],
        &["tenants", "encrypt", "--yes"],
        &["token"],
        &["token", "hello-world"],
        &["token", "/hello-world", "--context", "{"],
        &["token", "/hello-world", "--context", "[]"],
        &["token", "/hello-world", "--method", "GET /"],
        &["doctor", "--yaml"],
    ] {
        let said = place.run(arguments);
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{arguments:?}: {said:?}");
        assert!(!said.stderr.is_empty(), "{arguments:?}");
    }
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn a_failure_is_one() {
    let place = Workplace::empty().var("PORT", "x");
    for arguments in [&[][..], &["serve"], &["migrate"], &["tenants", "list"], &["token", "/"], &["doctor"]] {
        let said = place.run(arguments);
        assert_eq!(said.code, 1, "{arguments:?}: {said:?}");
        let text = if arguments == ["doctor"] { &said.stdout } else { &said.stderr };
        assert!(text.contains("is no whole number"), "{arguments:?}: {said:?}");
    }
}
