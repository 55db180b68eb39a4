//! Korean. Left out: 시발, with which 시발점 (a starting point) begins; 씨발 only at the beginning of a word, for 아저씨발 is somebody’s foot.

use super::List;

pub(super) const LIST: List = List {
    language: "ko",
    east_asian: true,
    low: &["젠장*", "미친", "꺼져", "닥쳐*"],
    medium: &[
        "씨발*",
        "씨팔*",
        "씹새끼*",
        "ㅅㅂ",
        "ㅆㅂ",
        "개씨발*",
        "개새끼*",
        "개새키*",
        "새끼야",
        "병신*",
        "ㅂㅅ",
        "지랄*",
        "개지랄*",
        "좆*",
        "존나*",
        "미친놈*",
        "미친년*",
        "니애미*",
        "느금마*",
        "엿먹어*",
        "썅*",
    ],
    high: &[
        "창녀*",
        "걸레년*",
        "조건만남*",
        "뒤져라*",
        "죽여버린다",
        "죽여버릴*",
        "자살해*",
        "벗은 사진",
    ],
    except: &[],
};
