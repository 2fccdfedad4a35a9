//! Of `docs/recipes/translations.md`: the texts.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// The languages of the app. The first one is the fallback.
const FILES: [(&str, &str); 2] = [("en", include_str!("../locales/en.ftl")), ("de", include_str!("../locales/de.ftl"))];

static LANGUAGES: LazyLock<[Language; FILES.len()]> = LazyLock::new(|| FILES.map(|(tag, file)| Language::new(tag, file)));

pub struct Language {
    id: LanguageIdentifier,
    texts: FluentBundle<FluentResource>,
}

impl Language {
    fn new(tag: &str, file: &str) -> Self {
        let id: LanguageIdentifier = tag.parse().unwrap_or_default();
        let mut texts = FluentBundle::new_concurrent(vec![id.clone()]);
        // invisible marks around each value, which right-to-left languages need
        texts.set_use_isolating(false);
        // leaves out a text with a mistake; the test below finds it
        texts.add_resource_overriding(FluentResource::try_new(file.to_owned()).unwrap_or_else(|(rest, _)| rest));
        Self { id, texts }
    }

    /// The language of a locale such as `de-CH` or `pt_BR`, or English. The locale comes from a URL and may be any text.
    pub fn of(locale: Option<&str>) -> &'static Self {
        let wanted: LanguageIdentifier = locale.and_then(|locale| locale.parse().ok()).unwrap_or_default();
        let exact = LANGUAGES.iter().find(|language| language.id == wanted);
        let same_language = || LANGUAGES.iter().find(|language| language.id.language == wanted.language);
        exact.or_else(same_language).unwrap_or(&LANGUAGES[0])
    }

    /// For `<html lang>` and the parameter `loc`.
    pub fn tag(&self) -> String {
        self.id.to_string()
    }

    pub fn text(&self, key: &str) -> String {
        self.format(key, None)
    }

    /// A text with a value in it.
    pub fn text_with<'a>(&self, key: &str, name: &'a str, value: impl Into<FluentValue<'a>>) -> String {
        self.format(key, Some(&FluentArgs::from_iter([(name, value)])))
    }

    /// A text that this language lacks is shown in English.
    fn format(&self, key: &str, values: Option<&FluentArgs<'_>>) -> String {
        for language in [self, &LANGUAGES[0]] {
            if let Some(text) = language.texts.get_message(key).and_then(|message| message.value()) {
                return language.texts.format_pattern(text, values, &mut Vec::new()).into_owned();
            }
        }
        key.to_owned()
    }
}

#[test]
fn every_language_has_every_text() {
    let (_, english) = FILES[0];
    let keys = english.lines().filter(|line| !line.starts_with(['#', ' '])).filter_map(|line| line.split_once(" ="));
    let keys: Vec<&str> = keys.map(|(key, _)| key).collect();
    for ((tag, file), language) in FILES.iter().zip(LANGUAGES.iter()) {
        assert_eq!(FluentResource::try_new((*file).to_owned()).err().map(|(_, mistakes)| mistakes), None, "{tag}");
        assert_eq!(language.tag(), *tag);
        for key in &keys {
            assert!(language.texts.has_message(key), "{tag}: {key}");
        }
    }
}
