//! Words find keywords that are public, wherever they stand.

use super::*;

/// What a product may declare: one text, keywords, and one keyword that is nobody's business.
fn declared(names: &[&str]) -> Attributes {
    let all = [
        ("about", attribute(Kind::Text, false, true)),
        ("city", attribute(Kind::Keyword, false, true)),
        ("email", attribute(Kind::Keyword, false, false)),
        ("hobbies", attribute(Kind::Keyword, true, true)),
        ("member", attribute(Kind::Boolean, false, true)),
        ("notes", attribute(Kind::Text, false, false)),
    ];
    let chosen = all.into_iter().filter(|(name, _)| names.contains(name));
    Attributes::new(chosen.map(|(name, attribute)| (name.to_owned(), attribute))).unwrap()
}

const ALL: [&str; 6] = ["about", "city", "email", "hobbies", "member", "notes"];

fn open_with(attributes: &Attributes) -> Opened {
    let folder = tempfile::tempdir().unwrap();
    let index = PeopleIndex::open(folder.path(), attributes, MIN_WRITER_MEMORY).unwrap();
    Opened { index, folder }
}

fn person(about: &str, city: &str, hobbies: &[&str]) -> Profile {
    let keyword = |value: &str| Value::Keyword(value.to_owned());
    let mut values = vec![
        ("about", Value::Text(about.to_owned())),
        ("city", keyword(city)),
        ("member", Value::Boolean(true)),
    ];
    values.extend(hobbies.iter().map(|hobby| ("hobbies", keyword(hobby))));
    profile(&values)
}

fn some_people(attributes: &Attributes) -> Opened {
    let people = open_with(attributes);
    for (user, profile) in [
        (
            "ada",
            person(
                "I teach maths and bake on Sundays.",
                "Zürich",
                &["Hiking", "rock climbing", "C++"],
            ),
        ),
        (
            "bob",
            person(
                "Hiking in the Alps whenever it does not rain.",
                "New York",
                &["jazz piano"],
            ),
        ),
        (
            "mei",
            person(
                "我在上海工作，喜歡攝影。Coffee before noon?",
                "上海",
                &["登山", "écouter du jazz"],
            ),
        ),
        (
            "kenji",
            person(
                "週末はコーヒーと本。 Weekends are for books.",
                "東京",
                &["ボルダリング", "Straßenfotografie"],
            ),
        ),
    ] {
        people.put(user, &profile);
    }
    let mut secret = person("Nothing to say.", "Lima", &[]);
    let keyword = |value: &str| vec![Value::Keyword(value.to_owned())];
    secret
        .attributes
        .insert("email".to_owned(), keyword("zoe@example.org"));
    let notes = vec![Value::Text("complains about hiking".to_owned())];
    secret.attributes.insert("notes".to_owned(), notes);
    people.put("zoe", &secret);
    people.commit();
    people
}

fn read(attributes: &Attributes, written: &str) -> Filter {
    let context = crate::query::Context {
        attributes,
        all: false,
        now_ms: 0,
    };
    crate::query::parse(written, &context).unwrap()
}

#[test]
fn a_word_finds_who_has_it_as_a_keyword() {
    let attributes = declared(&ALL);
    let people = some_people(&attributes);
    for (written, found) in [
        ("hiking", &["ada", "bob"][..]),
        ("HIKING maths", &["ada"]),
        ("hikin", &[]),
        ("hik*", &["ada", "bob"]),
        ("rock", &["ada"]),
        ("\"rock climbing\"", &["ada"]),
        // Two values are not one after the other.
        ("\"hiking rock\"", &[]),
        ("\"climbing c\"", &[]),
        ("c++", &["ada"]),
        ("zurich", &["ada"]),
        ("\"new york\"", &["bob"]),
        ("york alps", &["bob"]),
        ("jazz", &["bob", "mei"]),
        ("ecouter", &["mei"]),
        ("登山", &["mei"]),
        ("登山 coffee", &["mei"]),
        ("上海", &["mei"]),
        ("東京", &["kenji"]),
        ("ボルダ", &["kenji"]),
        ("ﾎﾞﾙﾀﾞﾘﾝｸﾞ books", &["kenji"]),
        ("strassenfotografie", &["kenji"]),
        ("hiking -zurich", &["bob"]),
        ("-hiking -jazz", &["kenji", "zoe"]),
        ("hiking OR 登山", &["ada", "bob", "mei"]),
        // Asked of one attribute, only that counts.
        ("hobbies:hiking", &["ada"]),
        ("about:hiking", &["bob"]),
        ("about:jazz", &[]),
        // What is not public finds nobody, and yes or no are no words.
        ("zoe", &[]),
        ("example.org", &[]),
        ("\"zoe@example.org\"", &[]),
        ("complains", &[]),
        ("true", &[]),
    ] {
        let filter = read(&attributes, written);
        assert_eq!(people.found(filter.clone()), names(found), "{written}");
        // The backend, too, finds by name alone what is not public.
        let backend = Viewer {
            exclude: &[],
            may_see_private: true,
        };
        let answer = people.index.search(&query(filter), &backend).unwrap();
        assert_eq!(set(&answer), found.iter().copied().collect(), "{written}");
    }
}

/// A query for words stays one term a word, which is what can be pruned.
#[test]
fn words_are_looked_for_in_one_field() {
    let attributes = declared(&ALL);
    let fields = Fields::new(&attributes, Analyzer::default());
    let filter = words("hiking zurich");
    let compiled = compile::compile(&fields, &filter, false).unwrap();
    assert!(compiled.prunable);
    assert_eq!(compiled.scored.len(), 2);
}

#[test]
fn whatever_is_declared_words_are_found_in_what_there_is() {
    for (names, found) in [
        (&["about"][..], &["bob"][..]),
        (&["hobbies"], &["ada"]),
        (&["about", "hobbies"], &["ada", "bob"]),
        (&["about", "notes", "email"], &["bob"]),
        (&["city", "member"], &[]),
        (&["about", "city"], &["bob"]),
    ] {
        let attributes = declared(names);
        let people = some_people(&attributes);
        let filter = read(&attributes, "hiking");
        assert_eq!(people.found(filter), super::names(found), "{names:?}");
    }
    let none = declared(&["email", "member", "notes"]);
    let context = crate::query::Context {
        attributes: &none,
        all: false,
        now_ms: 0,
    };
    assert!(crate::query::parse("hiking", &context).is_err());
    assert!(crate::query::check_filter(&words("hiking"), &none, false).is_err());
}

#[test]
fn keywords_are_marked_by_the_words_that_found_them() {
    let attributes = declared(&ALL);
    let mut ada = person("Hiking, mostly.", "Zürich", &["tea", "Winter hiking"]);
    let email = vec![Value::Keyword("hiking@example.org".to_owned())];
    ada.attributes.insert("email".to_owned(), email);
    let marked = |written: &str| {
        let filter = read(&attributes, written);
        Highlighter::new(&attributes, &filter).of(&ada, true)
    };
    let expected = Highlights::from([
        ("about".to_owned(), vec![vec![0..6]]),
        ("hobbies".to_owned(), vec![vec![], vec![7..13]]),
    ]);
    assert_eq!(marked("hiking"), expected);
    let city = Highlights::from([("city".to_owned(), vec![vec![0..7]])]);
    assert_eq!(marked("zurich"), city);
    // A keyword that is asked for by name is found whole: there is nothing to point out.
    assert_eq!(marked("city:zurich"), Highlights::new());
    let about = Highlights::from([("about".to_owned(), vec![vec![0..6]])]);
    assert_eq!(marked("about:hiking"), about);
}

/// Scores rest on how often words are used, and tokens say so: only of what is public.
#[test]
fn tokens_say_nothing_of_what_is_not_public() {
    let attributes = declared(&ALL);
    let asked = PeopleQuery {
        limit: 2,
        ..query(words("hiking"))
    };
    let tokens: BTreeSet<String> = [0, 1, 20]
        .into_iter()
        .map(|secrets| {
            let people = open_with(&attributes);
            for user in 0..40 {
                let mut one = person("Hiking and tea", "Lima", &["chess"]);
                if user < secrets {
                    let notes = vec![Value::Text("hiking, hiking".to_owned())];
                    let email = vec![Value::Keyword("hiking".to_owned())];
                    one.attributes.insert("notes".to_owned(), notes);
                    one.attributes.insert("email".to_owned(), email);
                }
                people.put(&format!("user-{user}"), &one);
            }
            people.commit();
            people.ask(&asked).next.unwrap()
        })
        .collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
}

/// An index that has keywords nowhere among the words is made anew.
#[test]
fn an_index_of_before_is_told_apart() {
    let attributes = declared(&ALL);
    let now = Fields::new(&attributes, Analyzer::default());
    // As the first format was told.
    let mut described = "format 1;".to_owned();
    for (name, attribute) in attributes.iter() {
        described.push_str(&format!(
            "{name} {:?} {} {};",
            attribute.kind, attribute.multiple, attribute.public
        ));
    }
    assert_ne!(now.fingerprint, schema::spread(described.bytes()));
}
