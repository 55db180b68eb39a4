//! Real sentences: what a list is for, and what people say every day with words that look alike.

use super::*;

#[test]
fn insults_are_found_in_ten_languages() {
    for (text, expected) in [
        ("You are such an asshole, go die", vec!["asshole", "go die"]),
        (
            "Halt die Fresse, du Hurensohn!",
            vec!["Halt die Fresse", "Hurensohn"],
        ),
        ("Du Wichser, verpiss dich", vec!["Wichser", "verpiss dich"]),
        (
            "Ferme ta gueule, connard",
            vec!["Ferme ta gueule", "connard", "ta gueule"],
        ),
        (
            "Va te faire foutre, enculé !",
            vec!["Va te faire foutre", "enculé"],
        ),
        (
            "Eres un cabrón, hijo de puta",
            vec!["cabrón", "hijo de puta", "puta"],
        ),
        (
            "Vai se foder, seu arrombado",
            vec!["Vai se foder", "seu arrombado"],
        ),
        ("Spierdalaj, kurwo", vec!["Spierdal", "kurwo"]),
        (
            "Siktir git, şerefsiz",
            vec!["Siktir", "Siktir git", "şerefsiz"],
        ),
        ("你这个傻逼，去死吧", vec!["傻逼", "去死吧"]),
        ("お前死ね、クソ野郎", vec!["クソ", "クソ野郎", "死ね"]),
        ("야 이 개새끼야, 꺼져", vec!["개새끼", "꺼져"]),
    ] {
        let mut found = found(text);
        let mut expected = expected;
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn everyday_sentences_are_left_alone() {
    for text in [
        // English
        "Shall we grab a bite at the Dick Whittington on Saturday?",
        "I got a new pic of my cat, she sat on the piano and it was so funny.",
        "Who're you, and she'll be in hell of a hurry? He's at Ky's fodder shop, Mammon.",
        "Our assistant will pass on the documents about the Essex class.",
        // German
        "Der Arbeitgeber ist in der FDP, und zu Weihnachten gibt es Pute.",
        "Das Ass im Ärmel war ziemlich dick, und der Nebel war hell.",
        "Ich stecke den Stecker ein. Die Hürde ist hoch, die Uhren gehen nach.",
        "Wir haben uns im Uhrenmuseum getroffen, dann am Arschfelder Weg.",
        // French
        "J'ai mangé une bonne poule au pot avec ma mère, c'était top.",
        "Il a repéré la bite d'amarrage sur le quai, quel con de port!",
        "La disputation et la réputation du député sont connues.",
        "On va pique-niquer, le repas est saloppé de pluie.",
        // Spanish
        "Un cono de tráfico, un año con mi perra y mi concha de mar.",
        "Me computa bien, la disputa terminó con el diputado.",
        // Portuguese
        "O pau-brasil é lindo, e o cume da serra também. Computador novo!",
        "A disputa pela deputada acabou ontem, fica tranquilo.",
        // Polish
        "Kurczę, ale fajna kura na obiad! Jutro jadę do Chorzowa.",
        "Mój pies to suczka, a dupleks jest duży. Zajechał, pojechał, wyjechał.",
        // Turkish
        "Sıkıcı bir gündü ama akşam göl kenarında yürüdük, çok güzeldi.",
        "Amca bana amaçsızca baktı, sonra güldü. Pik yaptı, götürdüm.",
        "Limonu sıktırdım, sonra bardağa koydum.",
        // Chinese
        "我妈的手机坏了，我去买新的。",
        "他干活很认真，操场上有很多人。",
        // Japanese
        "やくそくしたばかりなのに、もう行けない。エクソシストを見た。",
        "サブスクでパチンコの動画を見た。まだ死ねない。",
        // Korean
        "아저씨발이 크네요. 시발점에서 만나요.",
        "병원에서 신발을 샀어요. 존경하는 나라.",
        // Russian, for which there is no list
        "Привет, как дела? Рот, сор, хор.",
        // Italian and Swedish, which look like others
        "Con piacere, la putta in oratorio, il cono gelato, ficcanaso",
        "Jag fick foder, det är slut på fart, fagra ord och en bra slutning",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
}
