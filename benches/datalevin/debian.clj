;; The Debian questions of `peers -- debian`, asked of Datalevin: load, then each query after warming up.
;;
;;   java ... -cp datalevin-runtime.jar clojure.main debian.clj records.edn
(require '[datalevin.core :as d] '[clojure.edn :as edn] '[clojure.java.io :as io])

(def many {:db/cardinality :db.cardinality/many :db/valueType :db.type/string})
(def string {:db/valueType :db.type/string})
(def long-type {:db/valueType :db.type/long})
(def schema
  {:package/name (assoc string :db/unique :db.unique/identity)
   :package/depends {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
   :package/size long-type :package/installed-size long-type
   :package/version string :package/section string :package/priority string :package/arch string
   :package/source string :package/maintainer string :package/summary string
   :package/tags many :package/suggests many :package/recommends many :package/provides many
   :package/replaces many :package/breaks many :package/conflicts many})

(def rules '[[(needs ?a ?b) [?a :package/depends ?b]]
             [(needs ?a ?b) [?a :package/depends ?c] (needs ?c ?b)]])

(def works
  '[["names" [:find (count ?e) . :where [?e :package/name _]]]
    ["dependency edges" [:find (count ?a) . :with ?b :where [?a :package/depends ?b]]]
    ["tags" [:find (count ?e) . :with ?t :where [?e :package/tags ?t]]]
    ["large games" [:find (count ?e) . :where [?e :package/section "games"] [?e :package/size ?s] [(> ?s 100000000)]]]
    ["both tags" [:find (count ?e) . :where [?e :package/tags "role::program"] [?e :package/tags "implemented-in::c++"]]]
    ["dependants of libc6" [:find (count ?a) . :where [?c :package/name "libc6"] [?a :package/depends ?c]]]
    ["pairs sharing a maintainer"
     [:find (count ?a) . :with ?b :where [?a :package/depends ?b] [?a :package/maintainer ?m] [?b :package/maintainer ?m]]]
    ["mutual dependencies"
     [:find (count ?a) . :with ?b :where [?a :package/depends ?b] [?b :package/depends ?a] [(< ?a ?b)]]]
    ["triangles"
     [:find (count ?a) . :with ?b ?c :where [?a :package/depends ?b] [?b :package/depends ?c] [?a :package/depends ?c]]]
    ["transitive dependants of libc6" [:find (count ?a) . :in $ % :where [?c :package/name "libc6"] (needs ?a ?c)]]
    ["transitive dependencies of firefox-esr"
     [:find (count ?b) . :in $ % :where [?c :package/name "firefox-esr"] (needs ?c ?b)]]
    ["transitive dependencies of gnome" [:find (count ?b) . :in $ % :where [?c :package/name "gnome"] (needs ?c ?b)]]
    ["transitive pairs from games"
     [:find (count ?a) . :with ?b :in $ % :where [?a :package/section "games"] (needs ?a ?b)]]])

(defn ms [f] (let [t (System/nanoTime) v (f)] [(/ (- (System/nanoTime) t) 1e6) v]))
(defn median [xs] (nth (sort xs) (quot (count xs) 2)))

(let [dir (str (java.nio.file.Files/createTempDirectory "dl" (make-array java.nio.file.attribute.FileAttribute 0)))
      [read-ms maps] (ms #(with-open [r (io/reader (first *command-line-args*))] (mapv edn/read-string (line-seq r))))
      _ (println "read" read-ms "ms," (count maps) "entities")
      conn (d/get-conn dir schema {:cache-limit 0 :kv-opts {:mapsize 2000}})
      [load-ms _] (ms #(doseq [batch (partition-all 10000 maps)] (d/transact! conn batch)))
      _ (println "transact!" load-ms "ms; file" (.length (io/file dir "data.mdb")) "bytes")
      datoms (for [m maps, [a v] m :when (not= a :db/id), x (if (vector? v) v [v])] (d/datom (:db/id m) a x))
      datoms (vec datoms)
      dir2 (str dir "-fill")
      [fill-ms _] (ms #(d/close-db (d/init-db datoms dir2 schema {:kv-opts {:mapsize 2000}})))
      _ (println "init-db" fill-ms "ms," (count datoms) "datoms; file" (.length (io/file dir2 "data.mdb")) "bytes")
      db (d/db conn)]
  (d/analyze db)
  (doseq [[name query] works]
    (try
      (let [ask (if (some #{'%} query) #(d/q query db rules) #(d/q query db))
            [first-ms answer] (ms ask)
            times (if (> first-ms 20000) [first-ms] (do (dotimes [_ 5] (ask)) (repeatedly 9 #(first (ms ask)))))]
        (println (format "%-42s %10d  first %10.3f ms  median %10.3f ms" name answer first-ms (double (median times)))))
      (catch Throwable t (println name "failed:" (.getMessage t)))))
  (d/close conn))
(shutdown-agents)
