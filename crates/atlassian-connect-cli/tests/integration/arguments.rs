//! `--help`, and wrong arguments.

use crate::command::Workplace;

#[test]
fn the_help_lists_the_commands() {
    let help = Workplace::empty().run(&["--help"]);
    assert_eq!((help.code, help.stderr.as_str()), (0, ""));
    insta::assert_snapshot!(help.stdout, @r#"
    An add-on for Jira and Confluence

    Usage: fixture [COMMAND]

    Commands:
      serve       Serve the add-on (the default)
      migrate     Run pending database migrations; --status lists them, --revert undoes the last one
      descriptor  Print or validate the descriptor
      forge       Convert the descriptor to a Forge manifest, and manage the app's pages on Forge
      tenants     List, show, remove or purge tenants, associate them with Forge, or encrypt the store
      token       Print a URL signed like a request of a tenant's host (development only)
      doctor      Check configuration, base URL, store, descriptor, network and clock
      help        Print this message or the help of the given subcommand(s)

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Examples (in a deployment, use the binary instead of `cargo run --`):
      cargo run                                                   serve in development, on SQLite
      cargo run -- tenants list --json                            every tenant of the store, for a script
      curl -i "$(cargo run -q -- token '/hello-world?lang=en')"   open a page as the site that has the add-on
      cargo run -- doctor                                         what is wrong here, and what helps

    Environment:
      APP_ENV, else NODE_ENV    the environment: development (the default), test, production, or one of config.json
      DB_URL, DATABASE_URL      the store
      AC_LOCAL_BASE_URL, PORT   the URL that sites reach the add-on by, and the port that it listens on
      RUST_LOG                  what is logged; commands other than serve and migrate log nothing without it
      docs/configuration.md lists all variables, and the keys of config.json that they set.

    Exit codes:
      0  done
      1  it failed, doctor found problems, the descriptor has errors or does not fit into a Forge manifest, the shell of the
         app's pages on Forge is not the one of this release, or tenants are not associated with Forge
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
        &["forge", "shell"],
        &["forge", "rotate-page-key"],
        &["tenants"],
        &["tenants", "list"],
        &["tenants", "show"],
        &["tenants", "remove"],
        &["tenants", "purge"],
        &["tenants", "associate"],
        &["tenants", "migration"],
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
    Print a URL signed like a request of a tenant's host (development only)

    Usage: fixture token [OPTIONS] <path>

    Arguments:
      <path>  The path to open, relative to the base URL; a query is signed too: /hello-world?lang=en

    Options:
          --client-key <clientKey>  The tenant whose host signs; required if the store has several
          --user <accountId>        The account id of the user who views the page; without it the user is anonymous
          --method <METHOD>         The method that the URL is for [default: GET]
          --context <JSON>          The context claim: a JSON object such as {"jira":{"issue":{"key":"JRA-1"}}}
          --context-qsh             Do not bind the token to a URL, like `AP.context.getToken`
      -h, --help                    Print help
    "#);
    assert_eq!(place.files(), Vec::<String>::new());
}

#[test]
fn wrong_arguments_exit_with_two() {
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
        &["tenants", "associate", "acme"],
        &["tenants", "migration", "--again"],
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
        assert!(text.contains("is not a whole number"), "{arguments:?}: {said:?}");
    }
}
